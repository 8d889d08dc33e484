#include "agent/service/request_key.h"

#include <string>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hvagent/v1/vm_service.pb.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::service {
namespace {

using ::hvagent::testing::GuideVm;

v1::ApplyVmRequest Request(const std::string& id) {
  v1::ApplyVmRequest request;
  *request.mutable_spec() = GuideVm();
  request.set_request_id(id);
  return request;
}

TEST(RequestKeyTest, TheSameBodyHasTheSameDigestWhateverTheId) {
  const auto first = KeyOf("VmService.Apply", Request("1"));
  const auto second = KeyOf("VmService.Apply", Request("2"));
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(first->id, "1");
  EXPECT_EQ(second->id, "2");
  EXPECT_EQ(first->method, "VmService.Apply");
  EXPECT_EQ(first->body_digest, second->body_digest);
}

TEST(RequestKeyTest, AnyOtherBodyHasAnotherDigest) {
  const std::string digest = KeyOf("VmService.Apply", Request("1"))->body_digest;
  v1::ApplyVmRequest other = Request("1");
  other.mutable_spec()->set_memory_mib(512);
  EXPECT_NE(KeyOf("VmService.Apply", other)->body_digest, digest);
  other = Request("1");
  other.set_wait(true);
  EXPECT_NE(KeyOf("VmService.Apply", other)->body_digest, digest);
}

TEST(RequestKeyTest, ARequestWithoutAnIdIsNotRemembered) {
  EXPECT_EQ(KeyOf("VmService.Apply", Request(""))->id, "");
}

TEST(RequestKeyTest, AnOverlongIdIsRefused) {
  EXPECT_OK(KeyOf("VmService.Apply", Request(std::string(128, 'a'))));
  EXPECT_EQ(ErrorField(KeyOf("VmService.Apply", Request(std::string(129, 'a'))).status()),
            "request_id");
}

}  // namespace
}  // namespace hvagent::service
