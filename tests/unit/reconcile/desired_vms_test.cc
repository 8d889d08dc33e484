#include "agent/reconcile/desired_vms.h"

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::kVmUuid;
using ::hvagent::testing::MemoryNode;
using state::RequestKey;
using ::testing::HasSubstr;

// The reconciler is not started: what is wished stays a wish.
class DesiredVmsTest : public ::testing::Test {
 protected:
  RequestKey Key(const std::string& id, const std::string& digest = "d") {
    return {.id = id, .method = "VmService.Create", .body_digest = digest};
  }
  // Carries out what the plan of the stored VM says.
  void MakeItSo() {
    const auto vm = *node_.state->GetVm(*Uuid::Parse(kVmUuid));
    auto observed = *node_.worker.Observe(*vm);
    const auto actions = Plan(*vm, observed);
    ASSERT_OK(actions);
    for (const Action& action : *actions) ASSERT_OK(node_.worker.Run(*vm, action, observed));
  }

  MemoryNode node_;
  VmFeed feed_;
  StatusBoard board_{SystemClock(), feed_};
  Reconciler reconciler_{{}, node_.worker, node_.hypervisor, *node_.state, board_, SystemClock()};
  state::RequestLog requests_{*node_.state, SystemClock()};
  DesiredVms vms_{*node_.state, requests_, node_.worker, reconciler_, SystemClock()};
};

TEST_F(DesiredVmsTest, CreateIsRefusedForAnExistingUuidAndNamesTheDifference) {
  ASSERT_OK(vms_.Create(GuideVm(), {}));
  v1::VmSpec other = GuideVm();
  other.set_vcpus(2);
  const auto again = vms_.Create(other, {});
  EXPECT_THAT(again, Fails(absl::StatusCode::kAlreadyExists, "VM_EXISTS"));
  EXPECT_THAT(std::string(again.status().message()), HasSubstr("vcpus"));
}

TEST_F(DesiredVmsTest, TheSameRequestTwiceHasOneEffectAndTheSameAnswer) {
  const auto first = vms_.Create(GuideVm(), Key("r1"));
  const auto second = vms_.Create(GuideVm(), Key("r1"));
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(first->generation, second->generation);
}

TEST_F(DesiredVmsTest, ARequestIdForAnotherBodyIsRefusedWithoutEffect) {
  ASSERT_OK(vms_.Create(GuideVm(), Key("r1", "one")));
  EXPECT_THAT(vms_.SetPower(kVmUuid, v1::STOPPED, false, Key("r1", "other")),
              Fails(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED"));
  EXPECT_EQ(vms_.Find(kVmUuid)->spec.power_state(), v1::RUNNING);
}

TEST_F(DesiredVmsTest, ApplyingTheSameSpecAgainChangesNothing) {
  ASSERT_OK(vms_.Apply(GuideVm(), {}));
  EXPECT_EQ(vms_.Apply(GuideVm(), {})->generation, 1);
}

TEST_F(DesiredVmsTest, ApplyChangesNothingOfWhatExistsThatCannotChange) {
  ASSERT_OK(vms_.Apply(GuideVm(), {}));
  MakeItSo();
  v1::VmSpec spec = GuideVm();
  spec.set_power_state(v1::STOPPED);
  EXPECT_EQ(vms_.Apply(spec, {})->generation, 2);
  spec.mutable_root_disk()->set_image("another");
  const auto refused = vms_.Apply(spec, {});
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "VM_SPEC_DIFFERS"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("root_disk.image"));
}

TEST_F(DesiredVmsTest, AWishThatNeverCameTrueMayBeCorrected) {
  v1::VmSpec wrong = GuideVm();
  wrong.mutable_root_disk()->set_image("no-such-image");
  ASSERT_OK(vms_.Apply(wrong, {}));
  const auto corrected = vms_.Apply(GuideVm(), {});
  ASSERT_OK(corrected);
  EXPECT_EQ(corrected->generation, 2);
}

TEST_F(DesiredVmsTest, ANameIsUniqueOnTheNode) {
  ASSERT_OK(vms_.Create(GuideVm(), {}));
  v1::VmSpec other = GuideVm();
  other.set_uuid(Uuid::Random().ToString());
  EXPECT_THAT(vms_.Create(other, {}), Fails(absl::StatusCode::kAlreadyExists, "VM_NAME_TAKEN"));
}

TEST_F(DesiredVmsTest, DryRunPlansAndMakesNothing) {
  const auto actions = vms_.DryRun(GuideVm());
  ASSERT_OK(actions);
  EXPECT_EQ(actions->size(), 4u);
  EXPECT_THAT(vms_.Find(kVmUuid), Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
  v1::VmSpec wrong = GuideVm();
  wrong.mutable_root_disk()->set_image("no-such-image");
  EXPECT_THAT(vms_.DryRun(wrong), Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_F(DesiredVmsTest, AVmThatIsBeingDeletedTakesNoOrders) {
  ASSERT_OK(vms_.Create(GuideVm(), {}));
  ASSERT_OK(vms_.Delete("instance-00000028", state::Disposal::kTrash, {}));
  EXPECT_THAT(vms_.SetPower(kVmUuid, v1::RUNNING, false, {}),
              Fails(absl::StatusCode::kFailedPrecondition, "VM_DELETING"));
  EXPECT_THAT(vms_.Apply(GuideVm(), {}),
              Fails(absl::StatusCode::kFailedPrecondition, "VM_DELETING"));
}

TEST_F(DesiredVmsTest, ARepeatedDeleteSaysThatItIsDone) {
  ASSERT_OK(vms_.Create(GuideVm(), {}));
  ASSERT_OK(vms_.Delete(kVmUuid, state::Disposal::kTrash, Key("r9")));
  ASSERT_OK(node_.state->RemoveVm(*Uuid::Parse(kVmUuid)));
  EXPECT_THAT(vms_.Delete(kVmUuid, state::Disposal::kTrash, Key("r9")),
              Fails(absl::StatusCode::kNotFound, "ALREADY_DELETED"));
  EXPECT_THAT(vms_.Delete(kVmUuid, state::Disposal::kTrash, Key("another")),
              Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
}

}  // namespace
}  // namespace hvagent::reconcile
