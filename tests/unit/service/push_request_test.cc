#include "agent/service/push_request.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::service {
namespace {

using ::hvagent::testing::GuideVm;

v1::PushStateRequest Valid() {
  v1::PushStateRequest push;
  push.set_kind(v1::PushStateRequest::FULL);
  push.set_controller("cloud-1");
  push.set_term(1);
  push.set_generation(1);
  *push.add_vms()->mutable_spec() = GuideVm();
  push.mutable_vms(0)->mutable_spec()->clear_node();
  return push;
}

// As NodeService.PushState does with what it does not know.
absl::Status Admit(v1::PushStateRequest& push) {
  RETURN_IF_ERROR(AdmitPush(push));
  for (int i = 0; i < push.vms_size(); ++i) {
    v1::VmSpec& spec = *push.mutable_vms(i)->mutable_spec();
    ASSIGN_OR_RETURN(spec, AdmitVm(spec, absl::StrCat("vms[", i, "].spec"), "compute-1"));
  }
  return absl::OkStatus();
}

struct BadPush {
  const char* name;
  const char* field;
  void (*spoil)(v1::PushStateRequest& push);
};

void PrintTo(const BadPush& bad, std::ostream* out) { *out << bad.name; }

class BadPushTest : public ::testing::TestWithParam<BadPush> {};

TEST_P(BadPushTest, IsRefusedWithTheFieldsPath) {
  v1::PushStateRequest push = Valid();
  GetParam().spoil(push);
  const absl::Status status = Admit(push);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ErrorField(status), GetParam().field);
}

INSTANTIATE_TEST_SUITE_P(
    PushRequest, BadPushTest,
    ::testing::Values(
        BadPush{"NoKind", "kind", [](auto& push) { push.clear_kind(); }},
        BadPush{"FullWithoutATerm", "term",
                [](auto& push) {
                  push.clear_controller();
                  push.clear_term();
                  push.clear_generation();
                }},
        BadPush{"NoController", "controller", [](auto& push) { push.clear_controller(); }},
        BadPush{"NoTerm", "term", [](auto& push) { push.clear_term(); }},
        BadPush{"NegativeGeneration", "generation", [](auto& push) { push.set_generation(-1); }},
        BadPush{"BadSpec", "vms[0].spec.vcpus",
                [](auto& push) { push.mutable_vms(0)->mutable_spec()->clear_vcpus(); }},
        BadPush{"OtherNode", "vms[0].spec.node",
                [](auto& push) { push.mutable_vms(0)->mutable_spec()->set_node("compute-2"); }},
        BadPush{"TheSameVmTwice", "vms[1].spec.uuid",
                [](auto& push) { *push.add_vms() = push.vms(0); }},
        BadPush{"TheSameVmTwiceInAnotherCase", "vms[1].spec.uuid",
                [](auto& push) {
                  v1::VmSpec& spec = *push.add_vms()->mutable_spec();
                  spec = push.vms(0).spec();
                  spec.set_name("another");
                  spec.set_uuid(absl::AsciiStrToUpper(spec.uuid()));
                }},
        BadPush{"NoUuid", "vms[0].spec.uuid",
                [](auto& push) { push.mutable_vms(0)->mutable_spec()->set_uuid("web-1"); }},
        BadPush{"TheSameNameTwice", "vms[1].spec.name",
                [](auto& push) {
                  *push.add_vms() = push.vms(0);
                  push.mutable_vms(1)->mutable_spec()->set_uuid(
                      "00000000-0000-4000-8000-000000000001");
                }},
        BadPush{"IfGenerationInAFullPush", "vms[0].if_generation",
                [](auto& push) { push.mutable_vms(0)->set_if_generation(1); }},
        BadPush{"DeletionsInAFullPush", "deletions",
                [](auto& push) {
                  push.add_deletions()->set_uuid("00000000-0000-4000-8000-000000000001");
                }},
        BadPush{"DeletionOfNoUuid", "deletions[0].uuid",
                [](auto& push) {
                  push.set_kind(v1::PushStateRequest::PARTIAL);
                  push.add_deletions()->set_uuid("web-1");
                }},
        BadPush{"DeletionOfWhatItNames", "deletions[0].uuid",
                [](auto& push) {
                  push.set_kind(v1::PushStateRequest::PARTIAL);
                  push.add_deletions()->set_uuid(push.vms(0).spec().uuid());
                }}),
    [](const auto& test) { return test.param.name; });

TEST(PushRequestTest, MakesSpecsCanonicalAndGivesThemTheNode) {
  v1::PushStateRequest push = Valid();
  ASSERT_OK(Admit(push));
  EXPECT_EQ(push.vms(0).spec().node(), "compute-1");
  EXPECT_EQ(push.vms(0).spec().power_state(), v1::RUNNING);
}

}  // namespace
}  // namespace hvagent::service
