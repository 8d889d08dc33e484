#include "agent/reconcile/plan.h"

#include "base/error.h"
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

using v1::RegistryRecord;

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
  return {.domain =
              {{.uuid = vm.uuid, .name = vm.spec.name(), .state = state, .persistent = persistent}},
          .domain_is_ours = true};
}

// As the registry has `vm` when nothing is left to tell it.
Registration Recorded(const VmRecord& vm, RegistryRecord::State state) {
  registry::Entry entry;
  entry.record.set_node("compute-1");
  entry.record.set_epoch(3);
  entry.record.set_generation(vm.generation);
  *entry.record.mutable_spec() = vm.spec;
  entry.record.set_state(state);
  return {.status = absl::OkStatus(), .entry = entry};
}

absl::StatusOr<std::vector<Action>> PlanRecorded(const VmRecord& vm, ObservedVm observed) {
  const bool is_active =
      observed.domain.has_value() && (observed.domain->state == DomainState::kRunning ||
                                      observed.domain->state == DomainState::kPaused);
  const bool shall_run = vm.spec.power_state() == v1::RUNNING;
  observed.registration = Recorded(vm, is_active   ? RegistryRecord::RUNNING
                                       : shall_run ? RegistryRecord::STARTING
                                                   : RegistryRecord::STOPPED);
  return Plan(vm, observed);
}

TEST(PlanTest, PreparesTheDiskBeforeItDefinesAndStarts) {
  EXPECT_THAT(Kinds(PlanRecorded(Wanted(v1::RUNNING), {})),
              ElementsAre(ActionKind::kPrepareRootDisk, ActionKind::kDefineDomain,
                          ActionKind::kStartDomain));
}

TEST(PlanTest, AStoppedVmIsMadeButNotStarted) {
  EXPECT_THAT(Kinds(PlanRecorded(Wanted(v1::STOPPED), {})),
              ElementsAre(ActionKind::kPrepareRootDisk, ActionKind::kDefineDomain));
}

TEST(PlanTest, RemovesNoRootDiskThatIsNotTheVmsOwn) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.deleting = true;
  vm.spec.clear_root_disk();
  vm.spec.mutable_root_disk()->set_volume("af7ce6b7-12c2-4bdf-933c-884a4f514617");
  EXPECT_THAT(Kinds(Plan(vm, {})), ElementsAre(ActionKind::kRemoveRecord, ActionKind::kSetAside));
  vm.spec.clear_root_disk();
  vm.spec.mutable_root_disk()->set_existing(v1::KEEP);
  EXPECT_THAT(Kinds(Plan(vm, {})), ElementsAre(ActionKind::kRemoveRecord, ActionKind::kSetAside));
  vm.spec.mutable_root_disk()->set_existing(v1::ADOPT);
  EXPECT_THAT(Kinds(Plan(vm, {})), ElementsAre(ActionKind::kTrashRootDisk,
                                               ActionKind::kRemoveRecord, ActionKind::kSetAside));
}

TEST(PlanTest, AVmWithCloudInitGetsItsDriveBeforeItsDomainAndLosesItAfter) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.spec.mutable_cloud_init();
  EXPECT_THAT(Kinds(PlanRecorded(vm, {})),
              ElementsAre(ActionKind::kPrepareRootDisk, ActionKind::kPrepareConfigDrive,
                          ActionKind::kDefineDomain, ActionKind::kStartDomain));
  vm.deleting = true;
  EXPECT_THAT(
      Kinds(PlanRecorded(vm, Ours(DomainState::kShutOff))),
      ElementsAre(ActionKind::kUndefineDomain, ActionKind::kTrashConfigDrive,
                  ActionKind::kTrashRootDisk, ActionKind::kRemoveRecord, ActionKind::kSetAside));
}

TEST(PlanTest, ARestartAsksTheGuestFirstAndStartsItWhenItIsDown) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.restart = true;
  EXPECT_THAT(Kinds(PlanRecorded(vm, Ours(DomainState::kRunning))),
              ElementsAre(ActionKind::kShutdownDomain));
  EXPECT_THAT(
      Kinds(PlanRecorded(vm, Ours(DomainState::kShutOff))),
      ElementsAre(ActionKind::kEndRestart, ActionKind::kDefineDomain, ActionKind::kStartDomain));
}

TEST(PlanTest, ARestartByForceIsOnePlan) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.restart = true;
  vm.force_stop = true;
  for (const DomainState state : {DomainState::kRunning, DomainState::kPaused}) {
    EXPECT_THAT(Kinds(PlanRecorded(vm, Ours(state))),
                ElementsAre(ActionKind::kDestroyDomain, ActionKind::kEndRestart,
                            ActionKind::kDefineDomain, ActionKind::kStartDomain));
  }
}

TEST(PlanTest, LeavesARunningGuestAlone) {
  EXPECT_THAT(Kinds(PlanRecorded(Wanted(v1::RUNNING), Ours(DomainState::kRunning))), IsEmpty());
}

TEST(PlanTest, RefreshesTheDefinitionBeforeAStart) {
  for (const DomainState state : {DomainState::kShutOff, DomainState::kCrashed}) {
    EXPECT_THAT(Kinds(PlanRecorded(Wanted(v1::RUNNING), Ours(state))),
                ElementsAre(ActionKind::kDefineDomain, ActionKind::kStartDomain));
  }
}

TEST(PlanTest, SaysThatTheSecretHasChangedBeforeAStart) {
  ObservedVm observed = Ours(DomainState::kShutOff);
  const auto before = PlanRecorded(Wanted(v1::RUNNING), observed);
  observed.definition_is_stale = true;
  const auto actions = PlanRecorded(Wanted(v1::RUNNING), observed);
  EXPECT_THAT(Kinds(actions), ElementsAre(ActionKind::kDefineDomain, ActionKind::kStartDomain));
  EXPECT_THAT(before->front().reason, Not(HasSubstr("the secret has changed")));
  EXPECT_THAT(actions->front().reason, HasSubstr("the secret has changed"));
}

TEST(PlanTest, GivesARunningGuestItsLostDefinitionBack) {
  EXPECT_THAT(Kinds(PlanRecorded(Wanted(v1::RUNNING), Ours(DomainState::kRunning, false))),
              ElementsAre(ActionKind::kDefineDomain));
}

TEST(PlanTest, AsksTheGuestToStopAndCutsItsPowerOnlyByForce) {
  VmRecord vm = Wanted(v1::STOPPED);
  EXPECT_THAT(Kinds(PlanRecorded(vm, Ours(DomainState::kRunning))),
              ElementsAre(ActionKind::kShutdownDomain));
  vm.force_stop = true;
  EXPECT_THAT(Kinds(PlanRecorded(vm, Ours(DomainState::kRunning))),
              ElementsAre(ActionKind::kDestroyDomain));
}

TEST(PlanTest, DoesNotResumeOrStopAPausedGuestByItself) {
  EXPECT_THAT(PlanRecorded(Wanted(v1::RUNNING), Ours(DomainState::kPaused)),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_PAUSED"));
  EXPECT_THAT(PlanRecorded(Wanted(v1::STOPPED), Ours(DomainState::kPaused)),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_PAUSED"));
}

TEST(PlanTest, DeletionStopsTheDomainBeforeItRemovesTheDisk) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.deleting = true;
  EXPECT_THAT(
      Kinds(PlanRecorded(vm, Ours(DomainState::kRunning))),
      ElementsAre(ActionKind::kDestroyDomain, ActionKind::kUndefineDomain,
                  ActionKind::kTrashRootDisk, ActionKind::kRemoveRecord, ActionKind::kSetAside));
}

TEST(PlanTest, WhatBecomesOfTheDisksIsAsTheDeletionSays) {
  VmRecord vm = Wanted(v1::STOPPED);
  vm.spec.mutable_cloud_init();
  vm.deleting = true;
  vm.disposal = state::Disposal::kKeep;
  EXPECT_THAT(Kinds(Plan(vm, {})),
              ElementsAre(ActionKind::kKeepConfigDrive, ActionKind::kKeepRootDisk,
                          ActionKind::kRemoveRecord, ActionKind::kForgetVm));
  vm.disposal = state::Disposal::kRemove;
  EXPECT_THAT(Kinds(Plan(vm, {})),
              ElementsAre(ActionKind::kRemoveConfigDrive, ActionKind::kRemoveRootDisk,
                          ActionKind::kRemoveRecord, ActionKind::kForgetVm));
}

TEST(PlanTest, WhatWasUndeletedIsRestoredAndNeverMadeAnew) {
  VmRecord vm = Wanted(v1::STOPPED);
  vm.spec.mutable_cloud_init();
  vm.undeleting = true;
  EXPECT_THAT(Kinds(Plan(vm, {})),
              ElementsAre(ActionKind::kWriteRecord, ActionKind::kRestoreRootDisk,
                          ActionKind::kRestoreConfigDrive, ActionKind::kDefineDomain));
  vm.spec.clear_cloud_init();
  vm.spec.clear_root_disk();
  vm.spec.mutable_root_disk()->set_volume("af7ce6b7-12c2-4bdf-933c-884a4f514617");
  EXPECT_THAT(Kinds(PlanRecorded(vm, {})), ElementsAre(ActionKind::kDefineDomain));
}

TEST(PlanTest, NeverActsOnAForeignDomain) {
  ObservedVm observed = Ours(DomainState::kRunning);
  observed.domain_is_ours = false;
  EXPECT_THAT(PlanRecorded(Wanted(v1::RUNNING), observed),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_OURS"));
  EXPECT_THAT(PlanRecorded(Wanted(v1::STOPPED), observed),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_OURS"));
  VmRecord deleted = Wanted(v1::RUNNING);
  deleted.deleting = true;
  EXPECT_THAT(
      Kinds(PlanRecorded(deleted, observed)),
      ElementsAre(ActionKind::kTrashRootDisk, ActionKind::kRemoveRecord, ActionKind::kSetAside));
}

TEST(PlanTest, RefusesANameThatAnotherDomainHas) {
  const ObservedVm observed = {
      .name_holder = {{.uuid = Uuid::Random(), .name = "instance-00000028", .persistent = true}}};
  EXPECT_THAT(PlanRecorded(Wanted(v1::RUNNING), observed),
              Fails(absl::StatusCode::kAlreadyExists, "DOMAIN_NAME_TAKEN"));
}

const block::ImageName kDisk = {"vms", "", "disk"};

// Runs, and has its disk open.
ObservedVm Running() {
  ObservedVm observed = Ours(DomainState::kRunning);
  observed.writable_disks = {kDisk};
  return observed;
}

void AddAddress(Registration& registration) {
  RegistryRecord::Disk* const disk = registration.entry->record.add_disks();
  disk->set_pool(kDisk.pool);
  disk->set_image(kDisk.name);
  disk->add_addresses("192.0.2.1:0/7");
}

TEST(PlanRegistryTest, IsToldOfAVmBeforeAnythingIsMade) {
  EXPECT_THAT(Kinds(Plan(Wanted(v1::RUNNING), {})),
              ElementsAre(ActionKind::kWriteRecord, ActionKind::kPrepareRootDisk,
                          ActionKind::kDefineDomain, ActionKind::kStartDomain));
}

TEST(PlanRegistryTest, IsToldOfAChangeBeforeItTakesEffect) {
  VmRecord vm = Wanted(v1::RUNNING);
  ObservedVm observed = Running();
  observed.registration = Recorded(vm, RegistryRecord::RUNNING);
  AddAddress(observed.registration);
  EXPECT_THAT(Kinds(Plan(vm, observed)), IsEmpty());
  vm.spec.set_power_state(v1::STOPPED);
  ++vm.generation;
  EXPECT_THAT(Kinds(Plan(vm, observed)),
              ElementsAre(ActionKind::kWriteRecord, ActionKind::kShutdownDomain));
}

TEST(PlanRegistryTest, IsToldWhenTheGuestHasStopped) {
  const VmRecord vm = Wanted(v1::STOPPED);
  ObservedVm observed = Ours(DomainState::kShutOff);
  for (const auto state : {RegistryRecord::RUNNING, RegistryRecord::STARTING}) {
    observed.registration = Recorded(vm, state);
    EXPECT_THAT(Kinds(Plan(vm, observed)), ElementsAre(ActionKind::kWriteRecord));
  }
}

TEST(PlanRegistryTest, IsToldOfAGuestThatRunsAndOfTheDisksThatItHasOpen) {
  const VmRecord vm = Wanted(v1::RUNNING);
  ObservedVm observed = Running();
  EXPECT_THAT(Kinds(Plan(vm, observed)), ElementsAre(ActionKind::kWriteRecord))
      << "one that an older agent started";
  observed.registration = Recorded(vm, RegistryRecord::RUNNING);
  EXPECT_THAT(Kinds(Plan(vm, observed)), ElementsAre(ActionKind::kWriteRecord));
  AddAddress(observed.registration);
  EXPECT_THAT(Kinds(Plan(vm, observed)), IsEmpty());
  observed.registration.entry->record.set_state(RegistryRecord::STARTING);
  EXPECT_THAT(Kinds(Plan(vm, observed)), ElementsAre(ActionKind::kWriteRecord));
}

TEST(PlanRegistryTest, TellsAStartThatWasCutOffFromAPauseOfSomebodyElses) {
  const VmRecord vm = Wanted(v1::RUNNING);
  ObservedVm observed = Ours(DomainState::kPaused);
  observed.registration = Recorded(vm, RegistryRecord::STARTING);
  EXPECT_THAT(Kinds(Plan(vm, observed)), ElementsAre(ActionKind::kFinishStart));
  AddAddress(observed.registration);
  EXPECT_THAT(Kinds(Plan(vm, observed)), ElementsAre(ActionKind::kFinishStart));
  observed.registration.entry->record.set_state(RegistryRecord::RUNNING);
  EXPECT_THAT(Plan(vm, observed), Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_PAUSED"));
}

TEST(PlanRegistryTest, AGuestThatHasNeverRunIsNotAskedToStop) {
  const VmRecord vm = Wanted(v1::STOPPED);
  ObservedVm observed = Ours(DomainState::kPaused);
  observed.registration = Recorded(vm, RegistryRecord::STARTING);
  EXPECT_THAT(Kinds(Plan(vm, observed)), ElementsAre(ActionKind::kDestroyDomain));
  AddAddress(observed.registration);
  EXPECT_THAT(Plan(vm, observed), Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_PAUSED"));
}

TEST(PlanRegistryTest, WhileItCannotBeAskedNothingBeginsAndNothingThatRunsIsTouched) {
  const absl::Status away = absl::UnavailableError("no Ceph");
  const auto plan = [&](v1::PowerState power, ObservedVm observed, bool force = false) {
    VmRecord vm = Wanted(power);
    vm.force_stop = force;
    observed.registration = {.status = away, .entry = {}};
    return Plan(vm, observed);
  };
  EXPECT_EQ(plan(v1::RUNNING, {}).status(), away);
  EXPECT_EQ(plan(v1::RUNNING, Ours(DomainState::kShutOff)).status(), away);
  EXPECT_EQ(plan(v1::RUNNING, Ours(DomainState::kPaused)).status(), away);
  EXPECT_THAT(Kinds(plan(v1::RUNNING, Running())), IsEmpty());
  EXPECT_THAT(Kinds(plan(v1::STOPPED, Running())), ElementsAre(ActionKind::kShutdownDomain));
  EXPECT_THAT(Kinds(plan(v1::STOPPED, Running(), true)), ElementsAre(ActionKind::kDestroyDomain));

  VmRecord vm = Wanted(v1::RUNNING);
  vm.deleting = true;
  ObservedVm observed = Running();
  observed.registration.status = away;
  EXPECT_EQ(Plan(vm, observed).status(), away);
}

TEST(PlanRegistryTest, NothingIsDoneToAVmThatIsAnotherNodes) {
  const absl::Status elsewhere =
      Error(absl::StatusCode::kFailedPrecondition, "VM_OWNED_ELSEWHERE", "");
  for (const v1::PowerState power : {v1::RUNNING, v1::STOPPED}) {
    for (const ObservedVm& seen : {ObservedVm{}, Running(), Ours(DomainState::kPaused),
                                   Ours(DomainState::kShutOff), Ours(DomainState::kCrashed)}) {
      for (const auto state : {RegistryRecord::STARTING, RegistryRecord::RUNNING}) {
        VmRecord vm = Wanted(power);
        ObservedVm observed = seen;
        observed.registration = Recorded(vm, state);
        observed.registration.status = elsewhere;
        vm.force_stop = true;
        EXPECT_EQ(Plan(vm, observed).status(), elsewhere);
      }
    }
  }
}

TEST(PlanRegistryTest, DeletingAVmThatIsAnotherNodesLeavesThatNodeWhatItHas) {
  VmRecord vm = Wanted(v1::RUNNING);
  vm.deleting = true;
  const auto plan = [&](ObservedVm observed) {
    observed.registration = Recorded(vm, RegistryRecord::RUNNING);
    observed.registration.status =
        Error(absl::StatusCode::kFailedPrecondition, "VM_OWNED_ELSEWHERE", "");
    return Plan(vm, observed);
  };
  EXPECT_THAT(Kinds(plan({})), ElementsAre(ActionKind::kForgetVm));
  EXPECT_THAT(Kinds(plan(Ours(DomainState::kShutOff))),
              ElementsAre(ActionKind::kUndefineDomain, ActionKind::kForgetVm));
  EXPECT_THAT(plan(Running()), Fails(absl::StatusCode::kFailedPrecondition, "VM_OWNED_ELSEWHERE"));
}

}  // namespace
}  // namespace hvagent::reconcile
