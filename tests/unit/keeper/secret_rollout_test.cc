#include "agent/keeper/secret_rollout.h"

#include <string>
#include <thread>
#include <vector>

#include "agent/keeper/secret_report.h"
#include "gmock/gmock.h"
#include "tests/unit/keeper/keeper_node.h"

namespace hvagent::keeper {
namespace {

using hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kOld[] = "client.cinder";
constexpr char kNew[] = "client.vm.g2";

std::vector<std::string> Reasons(const v1::SecretReport& report) {
  std::vector<std::string> reasons;
  for (const v1::SecretFinding& finding : report.findings()) reasons.push_back(finding.reason());
  return reasons;
}

class SecretRolloutTest : public ::testing::Test {
 protected:
  SecretRolloutTest() {
    cluster_->SetKey(kOld, MakeKey('o'));
    cluster_->SetKey(kNew, MakeKey('n'));
    EXPECT_OK(node_.keeper.Sync({.entity = kOld}, MakeKey('o')));
  }

  v1::SecretReport Check(const std::string& entity, bool prove = false) {
    const auto response = node_.reporter.Check(prove);
    EXPECT_OK(response);
    for (const v1::SecretReport& report : response->secrets()) {
      if (report.secret().entity() == entity) return report;
    }
    ADD_FAILURE() << "no report of " << entity;
    return {};
  }

  const std::shared_ptr<block::MemoryCluster> cluster_ =
      std::make_shared<block::MemoryCluster>(kFsid);
  KeeperNode node_{cluster_};
};

TEST_F(SecretRolloutTest, RotatesForwardAndBackAndNamesWhoIsLeft) {
  node_.AddDomain("web", kOld, /*running=*/true);
  node_.AddDomain("idle", kOld, /*running=*/false);
  EXPECT_THAT(node_.rollout.Rotate(kOld, kNew, false),
              Fails(absl::StatusCode::kNotFound, "SECRET_NOT_SYNCED"));
  ASSERT_OK(node_.keeper.Sync({.entity = kNew}, MakeKey('n')));

  const auto planned = node_.rollout.Rotate(kOld, kNew, /*dry_run=*/true);
  ASSERT_OK(planned);
  ASSERT_EQ(planned->running_vms_size(), 1);
  EXPECT_EQ(planned->running_vms(0).name(), "web");
  EXPECT_EQ(node_.state->GetSecret(kOld).value()->superseded_by, "");

  ASSERT_OK(node_.rollout.Rotate(kOld, kNew, false));
  EXPECT_EQ(node_.state->GetSecret(kOld).value()->superseded_by, kNew);
  EXPECT_TRUE(node_.rollout.Rotate(kOld, kNew, false)->was_rotated());
  // A sync keeps it.
  ASSERT_OK(node_.keeper.Sync({.entity = kOld}, MakeKey('o')));
  EXPECT_EQ(node_.state->GetSecret(kOld).value()->superseded_by, kNew);

  ASSERT_OK(node_.rollout.Rotate(kNew, kOld, false));
  EXPECT_EQ(node_.state->GetSecret(kOld).value()->superseded_by, "");
  EXPECT_EQ(node_.state->GetSecret(kNew).value()->superseded_by, kOld);
}

TEST_F(SecretRolloutTest, RetiresOnlyWhatNobodyUses) {
  EXPECT_THAT(node_.rollout.Retire(kOld, false),
              Fails(absl::StatusCode::kFailedPrecondition, "SECRET_NOT_SUPERSEDED"));
  const Uuid web = node_.AddDomain("web", kOld, /*running=*/true);
  const Uuid idle = node_.AddDomain("idle", kOld, /*running=*/false);
  ASSERT_OK(node_.keeper.Sync({.entity = kNew}, MakeKey('n')));
  ASSERT_OK(node_.rollout.Rotate(kOld, kNew, false));

  const auto refused = node_.rollout.Retire(kOld, false);
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "SECRET_IN_USE"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("idle (stopped), web"));

  const Uuid secret = node_.state->GetSecret(kOld).value()->uuid;
  ASSERT_OK(node_.hypervisor.DestroyDomain(web));
  for (const Uuid& uuid : {web, idle}) ASSERT_OK(node_.hypervisor.UndefineDomain(uuid));
  EXPECT_TRUE(node_.rollout.Retire(kOld, /*dry_run=*/true)->removed());
  ASSERT_OK(node_.secrets.GetValue(secret));
  EXPECT_TRUE(node_.rollout.Retire(kOld, false)->removed());
  EXPECT_THAT(node_.secrets.GetValue(secret),
              Fails(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND"));
  EXPECT_FALSE(node_.rollout.Retire(kOld, false)->removed());
  // It does not come back, and guests still start as the new one.
  EXPECT_OK(node_.keeper.KeepAll(true));
  EXPECT_THAT(node_.secrets.GetValue(secret),
              Fails(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND"));
  EXPECT_EQ(node_.state->GetSecret(kOld).value()->superseded_by, kNew);
}

TEST_F(SecretRolloutTest, AnotherKeyOfTheSameEntityNeedsForceWhileGuestsRunWithTheOne) {
  node_.AddDomain("web", kOld, /*running=*/true);
  cluster_->SetKey(kOld, MakeKey('x', 9));
  const auto refused = node_.keeper.Sync({.entity = kOld}, MakeKey('x', 9));
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "SECRET_IN_USE"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("web"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("auth_service_ticket_ttl"));

  ASSERT_OK(node_.keeper.Sync({.entity = kOld, .force = true}, MakeKey('x', 9)));
  const v1::SecretReport report = Check(kOld);
  ASSERT_EQ(report.outdated_vms_size(), 1);
  EXPECT_EQ(report.outdated_vms(0).name(), "web");
}

TEST_F(SecretRolloutTest, RetiresTheMiddleOfAChainAndNeverItsEnd) {
  constexpr char kNext[] = "client.vm.g3";
  cluster_->SetKey(kNext, MakeKey('m'));
  ASSERT_OK(node_.keeper.Sync({.entity = kNew}, MakeKey('n')));
  ASSERT_OK(node_.keeper.Sync({.entity = kNext}, MakeKey('m')));
  ASSERT_OK(node_.rollout.Rotate(kOld, kNew, false));
  ASSERT_OK(node_.rollout.Retire(kOld, false));
  EXPECT_THAT(node_.rollout.Retire(kNew, false),
              Fails(absl::StatusCode::kFailedPrecondition, "SECRET_NOT_SUPERSEDED"));
  ASSERT_OK(node_.rollout.Rotate(kNew, kNext, false));
  EXPECT_TRUE(node_.rollout.Retire(kNew, false)->removed());
  EXPECT_THAT(node_.rollout.Retire(kNext, false),
              Fails(absl::StatusCode::kFailedPrecondition, "SECRET_NOT_SUPERSEDED"));
}

TEST_F(SecretRolloutTest, RetiresWhatWasReturnedToAndLeftAgain) {
  ASSERT_OK(node_.keeper.Sync({.entity = kNew}, MakeKey('n')));
  ASSERT_OK(node_.rollout.Rotate(kOld, kNew, false));
  ASSERT_OK(node_.rollout.Rotate(kNew, kOld, false));
  ASSERT_OK(node_.rollout.Retire(kNew, false));
  EXPECT_THAT(node_.rollout.Retire(kOld, false),
              Fails(absl::StatusCode::kFailedPrecondition, "SECRET_NOT_SUPERSEDED"));
  ASSERT_OK(node_.keeper.Sync({.entity = kNew}, MakeKey('n')));
  ASSERT_OK(node_.rollout.Rotate(kOld, kNew, false));
  EXPECT_TRUE(node_.rollout.Retire(kOld, false)->removed());
}

TEST_F(SecretRolloutTest, GuestsThatRunWithASecretThatIsReplacedStillCount) {
  node_.AddDomain("web", kOld, /*running=*/true);
  const Uuid before = node_.state->GetSecret(kOld).value()->uuid;
  ASSERT_OK(node_.keeper.Sync({.entity = kOld, .uuid = Uuid::Random(), .replaces = before},
                              MakeKey('o')));
  EXPECT_THAT(node_.secrets.GetValue(before),
              Fails(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND"));
  EXPECT_EQ(Check(kOld).running_vms_size(), 1);
  EXPECT_EQ(Check(kOld).outdated_vms_size(), 0);

  ASSERT_OK(node_.keeper.Sync({.entity = kNew}, MakeKey('n')));
  EXPECT_EQ(node_.rollout.Rotate(kOld, kNew, false)->running_vms_size(), 1);
  EXPECT_THAT(node_.rollout.Retire(kOld, false),
              Fails(absl::StatusCode::kFailedPrecondition, "SECRET_IN_USE"));
  cluster_->SetKey(kOld, MakeKey('x', 9));
  EXPECT_THAT(node_.keeper.Sync({.entity = kOld}, MakeKey('x', 9)),
              Fails(absl::StatusCode::kFailedPrecondition, "SECRET_IN_USE"));
  EXPECT_EQ(Check(kNew).running_vms_size(), 0);
}

TEST_F(SecretRolloutTest, TheReportOfASecretThatIsRightHasNoFindings) {
  node_.AddDomain("web", kOld, /*running=*/true);
  node_.AddDomain("idle", kOld, /*running=*/false);
  const v1::SecretReport report = Check(kOld, /*prove=*/true);
  EXPECT_THAT(Reasons(report), IsEmpty());
  EXPECT_EQ(report.fingerprint(), report.expected_fingerprint());
  EXPECT_EQ(report.fingerprint().size(), 16u);
  EXPECT_EQ(report.running_vms_size(), 1);
  EXPECT_EQ(report.defined_vms_size(), 1);
  EXPECT_EQ(report.outdated_vms_size(), 0);
  EXPECT_EQ(report.claimed_uuid(), report.secret().uuid());
  EXPECT_EQ(report.generation().seconds(), absl::ToUnixSeconds(MakeKey('o').create_time()));
}

TEST_F(SecretRolloutTest, TheReportNamesWhatIsWrong) {
  const Uuid uuid = node_.state->GetSecret(kOld).value()->uuid;
  ASSERT_OK(node_.secrets.SetValue(uuid, MakeKey('w').value()));
  EXPECT_THAT(Reasons(Check(kOld)), ElementsAre("SECRET_VALUE_DIFFERS"));
  EXPECT_THAT(Reasons(Check(kOld, /*prove=*/true)),
              ElementsAre("SECRET_VALUE_DIFFERS", "CEPH_KEY_REFUSED"));
  ASSERT_OK(node_.secrets.Undefine(uuid));
  EXPECT_THAT(Reasons(Check(kOld)), ElementsAre("SECRET_MISSING"));
  ASSERT_OK(node_.secrets.Define({.uuid = uuid, .usage = "other"}));
  EXPECT_THAT(Reasons(Check(kOld)), ElementsAre("SECRET_USAGE_DIFFERS", "SECRET_HAS_NO_VALUE"));
  ASSERT_OK(node_.secrets.Undefine(uuid));
  ASSERT_OK(node_.keeper.KeepAll(true));
  // The key was taken out of Ceph.
  cluster_->SetKey(kOld, MakeKey('x'));
  EXPECT_THAT(Reasons(Check(kOld, /*prove=*/true)), ElementsAre("CEPH_KEY_REFUSED"));
  ASSERT_OK(cluster_->Claim(kOld, {Uuid::Random(), "moved"}, uuid));
  EXPECT_THAT(Reasons(Check(kOld)), ElementsAre("SECRET_UUID_DIFFERS"));
}

// Two operators, two nodes, two UUIDs at the same moment.
TEST_F(SecretRolloutTest, OfTwoOperatorsOneWinsOnAllNodes) {
  for (int round = 0; round < 20; ++round) {
    const auto cluster = std::make_shared<block::MemoryCluster>(kFsid);
    cluster->SetKey(kOld, MakeKey('o'));
    KeeperNode nodes[2] = {KeeperNode(cluster), KeeperNode(cluster)};
    const Uuid wanted[2] = {Uuid::Random(), Uuid::Random()};
    absl::Status results[2][2];
    std::vector<std::thread> threads;
    for (int who = 0; who < 2; ++who) {
      for (int where = 0; where < 2; ++where) {
        threads.emplace_back([&, who, where] {
          results[who][where] =
              nodes[where]
                  .keeper
                  .Sync({.entity = kOld, .uuid = wanted[who], .usage = "shared"}, MakeKey('o'))
                  .status();
        });
      }
    }
    for (std::thread& thread : threads) thread.join();
    const int winner = results[0][0].ok() ? 0 : 1;
    for (int where = 0; where < 2; ++where) {
      EXPECT_OK(results[winner][where]);
      EXPECT_THAT(results[1 - winner][where], Fails(absl::StatusCode::kAborted, "SECRET_CLAIMED"));
      const auto present = nodes[where].secrets.List().value();
      ASSERT_EQ(present.size(), 1u);
      EXPECT_EQ(present[0].uuid, wanted[winner]);
    }
  }
}

}  // namespace
}  // namespace hvagent::keeper
