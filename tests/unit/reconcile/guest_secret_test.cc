#include "agent/reconcile/guest_secret.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::Fails;
using ::testing::HasSubstr;

class GuestSecretTest : public ::testing::Test {
 protected:
  state::SecretBinding Keep(const std::string& entity, const std::string& superseded_by = "") {
    const state::SecretBinding secret = {
        .entity = entity, .uuid = Uuid::Random(), .usage = entity, .superseded_by = superseded_by};
    EXPECT_OK(state_->PutSecret(secret));
    return secret;
  }

  const std::unique_ptr<state::StateStore> state_ = *state::StateStore::Open(":memory:");
};

TEST_F(GuestSecretTest, IsTheEntitysOwnWhileNothingSupersedesIt) {
  const state::SecretBinding secret = Keep("client.vm.g1");
  Keep("client.vm.g2");
  EXPECT_EQ(*GuestSecret(*state_, "client.vm.g1"), secret);
}

TEST_F(GuestSecretTest, IsTheLastOfThoseThatSupersedeIt) {
  Keep("client.vm.g1", "client.vm.g2");
  Keep("client.vm.g2", "client.vm.g3");
  const state::SecretBinding last = Keep("client.vm.g3");
  for (const char* entity : {"client.vm.g1", "client.vm.g2", "client.vm.g3"}) {
    EXPECT_EQ(*GuestSecret(*state_, entity), last) << entity;
  }
}

TEST_F(GuestSecretTest, NamesTheOneThatIsMissing) {
  const auto missing = Fails(absl::StatusCode::kFailedPrecondition, "SECRET_NOT_SYNCED");
  EXPECT_THAT(GuestSecret(*state_, "client.vm.g1"), missing);
  Keep("client.vm.g1", "client.vm.g2");
  const absl::Status status = GuestSecret(*state_, "client.vm.g1").status();
  EXPECT_THAT(status, missing);
  EXPECT_THAT(std::string(status.message()), HasSubstr("client.vm.g2"));
}

TEST_F(GuestSecretTest, RefusesAChainWithoutAnEnd) {
  const auto endless = Fails(absl::StatusCode::kFailedPrecondition, "SECRET_CYCLE");
  Keep("client.self", "client.self");
  EXPECT_THAT(GuestSecret(*state_, "client.self"), endless);
  Keep("client.vm.g0", "client.vm.g1");
  Keep("client.vm.g1", "client.vm.g2");
  Keep("client.vm.g2", "client.vm.g1");
  EXPECT_THAT(GuestSecret(*state_, "client.vm.g0"), endless);
}

}  // namespace
}  // namespace hvagent::reconcile
