#include "agent/reconcile/plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/reconcile/restart_policy.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/vm_spec.h"

namespace hvagent::reconcile {
namespace {

constexpr char kSecretChanged[] =
    "the secret has changed: the definition names another than guests start with now";

using hypervisor::DomainInfo;
using hypervisor::DomainState;

bool IsActive(const std::optional<DomainInfo>& domain) {
  return domain.has_value() &&
         (domain->state == DomainState::kRunning || domain->state == DomainState::kPaused);
}

// Whether no guest of the VM's is to run.
bool IsLeftOff(const state::VmRecord& desired) {
  return desired.spec.power_state() == v1::STOPPED || desired.stays_off;
}

// All that a VM needs before its first start.
void AddFirstSteps(const state::VmRecord& desired, std::vector<Action>& actions) {
  constexpr char kNew[] = "the VM has no domain on this node yet";
  constexpr char kUndeleted[] = "the VM was deleted, and shall be as it was";
  const bool has_drive = desired.spec.has_cloud_init();
  if (!desired.undeleting) {
    actions.push_back({ActionKind::kPrepareRootDisk, kNew});
    if (has_drive) actions.push_back({ActionKind::kPrepareConfigDrive, kNew});
  } else {
    if (domain_xml::OwnsRootDisk(desired.spec)) {
      actions.push_back({ActionKind::kRestoreRootDisk, kUndeleted});
    }
    if (has_drive) actions.push_back({ActionKind::kRestoreConfigDrive, kUndeleted});
  }
  actions.push_back({ActionKind::kDefineDomain, kNew});
}

// Whether the guest's start was cut off: it is paused, and nobody but the agent paused it.
bool StartWasCutOff(const ObservedVm& observed) {
  return observed.domain.has_value() && observed.domain->state == DomainState::kPaused &&
         observed.registration.state() == v1::RegistryRecord::STARTING;
}

bool IsOwnedElsewhere(const Registration& registration) {
  return ErrorReason(registration.status) == "VM_OWNED_ELSEWHERE";
}

// What is left of a VM that another node has taken over: its disks and its record are not ours.
absl::StatusOr<std::vector<Action>> PlanForgetting(const ObservedVm& observed) {
  constexpr char kMoved[] = "the VM belongs to another node and is being deleted on this one";
  std::vector<Action> actions;
  if (observed.domain.has_value() && observed.domain_is_ours) {
    if (IsActive(observed.domain)) return observed.registration.status;
    actions.push_back({ActionKind::kUndefineDomain, kMoved});
  }
  actions.push_back({ActionKind::kForgetVm, kMoved});
  return actions;
}

// What becomes of the disks that are the VM's.
void AddDisposal(const state::VmRecord& desired, std::vector<Action>& actions) {
  ActionKind drive = ActionKind::kTrashConfigDrive;
  ActionKind root = ActionKind::kTrashRootDisk;
  if (desired.disposal == state::Disposal::kKeep) {
    drive = ActionKind::kKeepConfigDrive;
    root = ActionKind::kKeepRootDisk;
  } else if (desired.disposal == state::Disposal::kRemove) {
    drive = ActionKind::kRemoveConfigDrive;
    root = ActionKind::kRemoveRootDisk;
  }
  constexpr char kDeleted[] = "the VM is being deleted";
  if (desired.spec.has_cloud_init()) actions.push_back({drive, kDeleted});
  if (domain_xml::OwnsRootDisk(desired.spec)) actions.push_back({root, kDeleted});
}

absl::StatusOr<std::vector<Action>> PlanDeletion(const state::VmRecord& desired,
                                                 const ObservedVm& observed) {
  if (IsOwnedElsewhere(observed.registration)) return PlanForgetting(observed);
  RETURN_IF_ERROR(observed.registration.status);
  std::vector<Action> actions;
  if (observed.domain.has_value() && observed.domain_is_ours) {
    if (IsActive(observed.domain)) {
      actions.push_back({ActionKind::kDestroyDomain, "the VM is being deleted"});
    }
    if (observed.domain->persistent) {
      actions.push_back({ActionKind::kUndefineDomain, "the VM is being deleted"});
    }
  }
  AddDisposal(desired, actions);
  actions.push_back({ActionKind::kRemoveRecord, "no node has the VM any more"});
  if (desired.disposal == state::Disposal::kTrash) {
    actions.push_back({ActionKind::kSetAside, "the VM can be had back while the trash keeps it"});
  } else {
    actions.push_back({ActionKind::kForgetVm, "nothing of the VM is left"});
  }
  return actions;
}

absl::Status CheckNothingForeignInTheWay(const state::VmRecord& desired,
                                         const ObservedVm& observed) {
  if (observed.domain.has_value() && !observed.domain_is_ours) {
    return Error(
        absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_OURS",
        absl::StrCat("a domain with UUID ", desired.uuid.ToString(), " (\"", observed.domain->name,
                     "\") exists on this node and was not made by this agent; it is left "
                     "alone: choose another UUID, or remove that domain"));
  }
  if (observed.name_holder.has_value()) {
    return Error(absl::StatusCode::kAlreadyExists, "DOMAIN_NAME_TAKEN",
                 absl::StrCat("the name \"", desired.spec.name(), "\" belongs to domain ",
                              observed.name_holder->uuid.ToString(),
                              " on this node: choose another name, or remove that domain"));
  }
  return absl::OkStatus();
}

absl::Status Paused(absl::string_view what_to_do) {
  return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_PAUSED",
               absl::StrCat("the guest is paused", what_to_do));
}

// Adds what stops an active guest. Errors: FAILED_PRECONDITION (DOMAIN_PAUSED).
absl::Status AddStop(const state::VmRecord& desired, const ObservedVm& observed,
                     absl::string_view why, std::vector<Action>& actions) {
  if (desired.force_stop) {
    actions.push_back({ActionKind::kDestroyDomain, absl::StrCat(why, ", by force")});
    return absl::OkStatus();
  }
  if (StartWasCutOff(observed) && observed.registration.entry->record.disks().empty()) {
    actions.push_back(
        {ActionKind::kDestroyDomain, absl::StrCat(why, ", and its guest has never run")});
    return absl::OkStatus();
  }
  if (observed.domain->state == DomainState::kPaused) {
    return Paused(" and cannot shut down: resume it, or stop it by force");
  }
  actions.push_back({ActionKind::kShutdownDomain, std::string(why)});
  return absl::OkStatus();
}

bool MustGrow(const state::VmRecord& desired, const ObservedVm& observed) {
  return observed.older.has_value() &&
         desired.spec.root_disk().size_gib() > observed.older->spec.root_disk().size_gib();
}

void AddGrow(std::vector<Action>& actions) {
  actions.push_back({ActionKind::kGrowRootDisk, "the root disk shall be larger"});
}

// What a running guest is given as it runs; the rest of its new spec waits for its next start.
void AddLiveChanges(const state::VmRecord& desired, const ObservedVm& observed,
                    std::vector<Action>& actions) {
  if (!observed.older.has_value() || observed.older->defined_generation == desired.generation) {
    return;
  }
  const LiveChanges changes = CompareWithGuest(*observed.older, desired.spec);
  if (changes.grow_root_disk) AddGrow(actions);
  for (const std::string& volume : changes.attach) {
    actions.push_back({ActionKind::kAttachVolume, "the guest shall have this volume", volume});
  }
  for (const std::string& volume : changes.detach) {
    actions.push_back({ActionKind::kDetachVolume, "the guest shall not have this volume", volume});
  }
  // The definition comes last, since it says that all this was done.
  if (changes.detach.empty()) {
    actions.push_back({ActionKind::kDefineDomain, "the spec has changed"});
  }
}

void AddStart(const state::VmRecord& desired, const ObservedVm& observed,
              std::vector<Action>& actions) {
  if (MustGrow(desired, observed)) AddGrow(actions);
  // Defined anew before each start, so that its monitors are those of today.
  actions.push_back({ActionKind::kDefineDomain, observed.definition_is_stale
                                                    ? kSecretChanged
                                                    : "monitors are refreshed before each start"});
  actions.push_back({ActionKind::kStartDomain, "the VM shall run"});
}

absl::StatusOr<std::vector<Action>> PlanRestart(const state::VmRecord& desired,
                                                const ObservedVm& observed) {
  std::vector<Action> actions;
  if (IsActive(observed.domain)) {
    RETURN_IF_ERROR(AddStop(desired, observed, "the VM shall be restarted", actions));
    // The guest is asked, and takes its time: the rest comes when it is down.
    if (!desired.force_stop) return actions;
  }
  actions.push_back({ActionKind::kEndRestart, "the guest does not run any more"});
  AddStart(desired, observed, actions);
  return actions;
}

// What a guest that is active, and shall be, is given or asked for as it is.
void AddUpkeep(const state::VmRecord& desired, const ObservedVm& observed,
               std::vector<Action>& actions) {
  if (!observed.domain->persistent) {
    actions.push_back({ActionKind::kDefineDomain, "the running guest lost its definition"});
  } else {
    AddLiveChanges(desired, observed, actions);
  }
}

// Of a guest that is paused.
absl::StatusOr<std::vector<Action>> PlanPaused(const state::VmRecord& desired,
                                               const ObservedVm& observed) {
  std::vector<Action> actions;
  if (StartWasCutOff(observed)) {
    actions.push_back({ActionKind::kFinishStart, "its start was cut off"});
    return actions;
  }
  RETURN_IF_ERROR(observed.registration.status);
  if (desired.spec.power_state() == v1::PAUSED) {
    AddUpkeep(desired, observed, actions);
    return actions;
  }
  const hypervisor::StateReason reason = observed.domain->reason;
  if (reason == hypervisor::StateReason::kIoError) {
    const std::string why(StopText(reason));
    actions.push_back({ActionKind::kCheckDisks, why});
    actions.push_back({ActionKind::kAwaitTurn, why});
    actions.push_back({ActionKind::kResumeDomain, "its requests are made again"});
    return actions;
  }
  if (observed.registration.state() == v1::RegistryRecord::PAUSED) {
    actions.push_back({ActionKind::kResumeDomain, "the VM shall run"});
    return actions;
  }
  return Paused(
      " by somebody else than the agent (`virsh domstate --reason`): let it run with `agentctl vm "
      "resume`");
}

// Of a guest that is off, and shall not be.
std::vector<Action> PlanOff(const state::VmRecord& desired, const ObservedVm& observed) {
  std::vector<Action> actions;
  const std::string why(StopText(observed.domain->reason));
  switch (JudgeStop(desired, *observed.domain, observed.registration)) {
    case AfterStop::kLeaveOff:
      actions.push_back({ActionKind::kLeaveOff,
                         absl::StrCat(why, ", and by its restart policy (",
                                      v1::VmSpec::RestartPolicy_Name(desired.spec.restart_policy()),
                                      ") it stays off")});
      return actions;
    case AfterStop::kRestart:
      actions.push_back({ActionKind::kAwaitTurn, why});
      break;
    case AfterStop::kStart:
      break;
  }
  AddStart(desired, observed, actions);
  return actions;
}

// Of a VM that shall run, or be paused.
absl::StatusOr<std::vector<Action>> PlanRunning(const state::VmRecord& desired,
                                                const ObservedVm& observed) {
  std::vector<Action> actions;
  if (!observed.domain.has_value()) {
    AddFirstSteps(desired, actions);
    actions.push_back({ActionKind::kStartDomain, "the VM shall run"});
    return actions;
  }
  if (desired.restart) return PlanRestart(desired, observed);
  switch (observed.domain->state) {
    case DomainState::kRunning:
      AddUpkeep(desired, observed, actions);
      if (desired.spec.power_state() == v1::PAUSED) {
        actions.push_back({ActionKind::kSuspendDomain, "the VM shall be paused"});
      }
      return actions;
    case DomainState::kPaused:
      return PlanPaused(desired, observed);
    case DomainState::kShutOff:
    case DomainState::kCrashed:
      return PlanOff(desired, observed);
  }
  return absl::InternalError("unknown domain state");
}

absl::StatusOr<std::vector<Action>> PlanStopped(const state::VmRecord& desired,
                                                const ObservedVm& observed) {
  std::vector<Action> actions;
  if (!observed.domain.has_value()) {
    AddFirstSteps(desired, actions);
    return actions;
  }
  if (IsActive(observed.domain)) {
    RETURN_IF_ERROR(AddStop(desired, observed, "the VM shall be stopped", actions));
  }
  if (!observed.domain->persistent) {
    actions.insert(actions.begin(),
                   {ActionKind::kDefineDomain, "the running guest lost its definition"});
  } else if (!IsActive(observed.domain) &&
             (observed.definition_is_stale || observed.older.has_value())) {
    if (MustGrow(desired, observed)) AddGrow(actions);
    // So that an older secret, or a volume, is seen to be used by nobody.
    actions.push_back({ActionKind::kDefineDomain,
                       observed.definition_is_stale ? kSecretChanged : "the spec has changed"});
  }
  return actions;
}

// Why the registry's record is to be written before anything else is done; empty when it is right.
absl::string_view WhyWriteRecord(const state::VmRecord& desired, const ObservedVm& observed) {
  const Registration& registration = observed.registration;
  if (!registration.entry.has_value()) return "the registry does not know the VM yet";
  if (!registration.Says(desired)) return "the registry has an older spec";
  if (!IsActive(observed.domain)) {
    return IsLeftOff(desired) && registration.state() != v1::RegistryRecord::STOPPED
               ? "the guest has stopped"
               : "";
  }
  if (StartWasCutOff(observed)) return "";
  if (const auto state = StateToRecord(desired, observed); registration.state() != state) {
    return state == v1::RegistryRecord::PAUSED ? "the guest shall be paused" : "the guest runs";
  }
  return registration.HasAddressesOf(observed.writable_disks)
             ? ""
             : "the registry does not know who has the guest's disks open";
}

bool IsStop(const Action& action) {
  return action.kind == ActionKind::kShutdownDomain || action.kind == ActionKind::kDestroyDomain;
}

// Puts before `actions` what the registry must know first.
absl::StatusOr<std::vector<Action>> WithRecord(const state::VmRecord& desired,
                                               const ObservedVm& observed,
                                               std::vector<Action> actions) {
  const absl::Status& status = observed.registration.status;
  if (IsOwnedElsewhere(observed.registration)) return status;
  if (!status.ok()) {
    // Nothing is begun that the registry is not told of. A guest that runs goes on, and may stop.
    if (std::all_of(actions.begin(), actions.end(), IsStop)) return actions;
    return status;
  }
  const absl::string_view why = WhyWriteRecord(desired, observed);
  if (!why.empty()) {
    actions.insert(actions.begin(), {ActionKind::kWriteRecord, std::string(why)});
  }
  return actions;
}

}  // namespace

v1::RegistryRecord::State StateToRecord(const state::VmRecord& desired,
                                        const ObservedVm& observed) {
  if (!IsActive(observed.domain)) {
    return IsLeftOff(desired) ? v1::RegistryRecord::STOPPED : v1::RegistryRecord::STARTING;
  }
  // A start that was cut off stays one, so that whoever finds the paused guest finishes it.
  if (StartWasCutOff(observed)) return v1::RegistryRecord::STARTING;
  // A pause of ours stays one until it is over: it is ours to end.
  const bool is_our_pause = observed.domain->state == DomainState::kPaused &&
                            observed.registration.state() == v1::RegistryRecord::PAUSED;
  return desired.spec.power_state() == v1::PAUSED || is_our_pause ? v1::RegistryRecord::PAUSED
                                                                  : v1::RegistryRecord::RUNNING;
}

absl::StatusOr<std::vector<Action>> Plan(const state::VmRecord& desired,
                                         const ObservedVm& observed) {
  if (desired.deleting) return PlanDeletion(desired, observed);
  if (absl::Status status = CheckNothingForeignInTheWay(desired, observed); !status.ok()) {
    return status;
  }
  // One that stays off, and that somebody started by hand, is as any that shall run.
  const bool is_off = IsLeftOff(desired) &&
                      (desired.spec.power_state() == v1::STOPPED || !IsActive(observed.domain));
  ASSIGN_OR_RETURN(std::vector<Action> actions,
                   is_off ? PlanStopped(desired, observed) : PlanRunning(desired, observed));
  return WithRecord(desired, observed, std::move(actions));
}

}  // namespace hvagent::reconcile
