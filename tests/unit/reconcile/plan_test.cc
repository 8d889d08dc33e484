#include "agent/reconcile/plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::RecordOf;
using hypervisor::DomainState;
using state::VmRecord;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<ActionKind> Kinds(const absl::StatusOr<std::vector<Action>>& actions) {
  EXPECT_OK(actions);
  std::vector<ActionKind> kinds;
  if (actions.ok()) {
    for (const Action& action : *actions) kinds.push_back(action.kind);
  }
  return kinds;
}

VmRecord Wanted(v1::PowerState power) {
  v1::VmSpec spec = GuideVm();
  spec.set_power_state(power);
  return RecordOf(spec);
}

ObservedVm Ours(DomainState state, bool persistent = true) {
  const VmRecord vm = Wanted(v1::RUNNING);
  return {.domain = {{vm.uuid, vm.spec.name(), state, persistent}}, .domain_is_ours = true};
}

TEST(PlanTest, PreparesTheDiskBeforeItDefinesAndStarts) {
  EXPECT_THAT(Kinds(Plan(Wanted(v1::RUNNING), {})),
              ElementsAre(ActionKind::kPrepareRootDisk, ActionKind::kDefineDomain,
                          ActionKind::kStartDomain));
}

TEST(PlanTest, AStoppedVmIsMadeButNotStarted) {
  EXPECT_THAT(Kinds(Plan(Wanted(v1::STOPPED), {})),
              ElementsAre(ActionKind::kPrepareRootDisk, ActionKind::kDefineDomain));
}

TEST(PlanTest, RemovesNoRootDiskThatIsNotTheVmsOwn) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.deleting = true;
  vm.spec.clear_root_disk();
  vm.spec.mutable_root_disk()->set_volume("af7ce6b7-12c2-4bdf-933c-884a4f514617");
  EXPECT_THAT(Kinds(Plan(vm, {})), ElementsAre(ActionKind::kForgetVm));
  vm.spec.clear_root_disk();
  vm.spec.mutable_root_disk()->set_existing(v1::KEEP);
  EXPECT_THAT(Kinds(Plan(vm, {})), ElementsAre(ActionKind::kForgetVm));
  vm.spec.mutable_root_disk()->set_existing(v1::ADOPT);
  EXPECT_THAT(Kinds(Plan(vm, {})), ElementsAre(ActionKind::kRemoveRootDisk, ActionKind::kForgetVm));
}

TEST(PlanTest, AVmWithCloudInitGetsItsDriveBeforeItsDomainAndLosesItAfter) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.spec.mutable_cloud_init();
  EXPECT_THAT(Kinds(Plan(vm, {})),
              ElementsAre(ActionKind::kPrepareRootDisk, ActionKind::kPrepareConfigDrive,
                          ActionKind::kDefineDomain, ActionKind::kStartDomain));
  vm.deleting = true;
  EXPECT_THAT(Kinds(Plan(vm, Ours(DomainState::kShutOff))),
              ElementsAre(ActionKind::kUndefineDomain, ActionKind::kRemoveConfigDrive,
                          ActionKind::kRemoveRootDisk, ActionKind::kForgetVm));
}

TEST(PlanTest, ARestartAsksTheGuestFirstAndStartsItWhenItIsDown) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.restart = true;
  EXPECT_THAT(Kinds(Plan(vm, Ours(DomainState::kRunning))),
              ElementsAre(ActionKind::kShutdownDomain));
  EXPECT_THAT(
      Kinds(Plan(vm, Ours(DomainState::kShutOff))),
      ElementsAre(ActionKind::kEndRestart, ActionKind::kDefineDomain, ActionKind::kStartDomain));
}

TEST(PlanTest, ARestartByForceIsOnePlan) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.restart = true;
  vm.force_stop = true;
  for (const DomainState state : {DomainState::kRunning, DomainState::kPaused}) {
    EXPECT_THAT(Kinds(Plan(vm, Ours(state))),
                ElementsAre(ActionKind::kDestroyDomain, ActionKind::kEndRestart,
                            ActionKind::kDefineDomain, ActionKind::kStartDomain));
  }
}

TEST(PlanTest, LeavesARunningGuestAlone) {
  EXPECT_THAT(Kinds(Plan(Wanted(v1::RUNNING), Ours(DomainState::kRunning))), IsEmpty());
}

TEST(PlanTest, RefreshesTheDefinitionBeforeAStart) {
  for (const DomainState state : {DomainState::kShutOff, DomainState::kCrashed}) {
    EXPECT_THAT(Kinds(Plan(Wanted(v1::RUNNING), Ours(state))),
                ElementsAre(ActionKind::kDefineDomain, ActionKind::kStartDomain));
  }
}

TEST(PlanTest, SaysThatTheSecretHasChangedBeforeAStart) {
  ObservedVm observed = Ours(DomainState::kShutOff);
  const auto before = Plan(Wanted(v1::RUNNING), observed);
  observed.definition_is_stale = true;
  const auto actions = Plan(Wanted(v1::RUNNING), observed);
  EXPECT_THAT(Kinds(actions), ElementsAre(ActionKind::kDefineDomain, ActionKind::kStartDomain));
  EXPECT_THAT(before->front().reason, Not(HasSubstr("the secret has changed")));
  EXPECT_THAT(actions->front().reason, HasSubstr("the secret has changed"));
}

TEST(PlanTest, GivesARunningGuestItsLostDefinitionBack) {
  EXPECT_THAT(Kinds(Plan(Wanted(v1::RUNNING), Ours(DomainState::kRunning, false))),
              ElementsAre(ActionKind::kDefineDomain));
}

TEST(PlanTest, AsksTheGuestToStopAndCutsItsPowerOnlyByForce) {
  VmRecord vm = Wanted(v1::STOPPED);
  EXPECT_THAT(Kinds(Plan(vm, Ours(DomainState::kRunning))),
              ElementsAre(ActionKind::kShutdownDomain));
  vm.force_stop = true;
  EXPECT_THAT(Kinds(Plan(vm, Ours(DomainState::kRunning))),
              ElementsAre(ActionKind::kDestroyDomain));
}

TEST(PlanTest, DoesNotResumeOrStopAPausedGuestByItself) {
  EXPECT_THAT(Plan(Wanted(v1::RUNNING), Ours(DomainState::kPaused)),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_PAUSED"));
  EXPECT_THAT(Plan(Wanted(v1::STOPPED), Ours(DomainState::kPaused)),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_PAUSED"));
}

TEST(PlanTest, DeletionStopsTheDomainBeforeItRemovesTheDisk) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.deleting = true;
  EXPECT_THAT(Kinds(Plan(vm, Ours(DomainState::kRunning))),
              ElementsAre(ActionKind::kDestroyDomain, ActionKind::kUndefineDomain,
                          ActionKind::kRemoveRootDisk, ActionKind::kForgetVm));
}

TEST(PlanTest, NeverActsOnAForeignDomain) {
  ObservedVm observed = Ours(DomainState::kRunning);
  observed.domain_is_ours = false;
  EXPECT_THAT(Plan(Wanted(v1::RUNNING), observed),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_OURS"));
  EXPECT_THAT(Plan(Wanted(v1::STOPPED), observed),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_OURS"));
  VmRecord deleted = Wanted(v1::RUNNING);
  deleted.deleting = true;
  EXPECT_THAT(Kinds(Plan(deleted, observed)),
              ElementsAre(ActionKind::kRemoveRootDisk, ActionKind::kForgetVm));
}

TEST(PlanTest, RefusesANameThatAnotherDomainHas) {
  const ObservedVm observed = {
      .name_holder = {{Uuid::Random(), "instance-00000028", DomainState::kShutOff, true}}};
  EXPECT_THAT(Plan(Wanted(v1::RUNNING), observed),
              Fails(absl::StatusCode::kAlreadyExists, "DOMAIN_NAME_TAKEN"));
}

}  // namespace
}  // namespace hvagent::reconcile
