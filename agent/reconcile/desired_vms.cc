#include "agent/reconcile/desired_vms.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "domain_xml/vm_spec.h"

namespace hvagent::reconcile {
namespace {

using state::RequestKey;
using state::VmRecord;

absl::Status BeingDeleted(const VmRecord& vm) {
  return Error(absl::StatusCode::kFailedPrecondition, "VM_DELETING",
               absl::StrCat("VM ", vm.uuid.ToString(), " (", vm.spec.name(),
                            ") is being deleted: wait until it is gone"));
}

absl::Status NoSuchVm(absl::string_view id) {
  return Error(absl::StatusCode::kNotFound, "VM_NOT_FOUND",
               absl::StrCat("there is no VM \"", id, "\" on this node"));
}

}  // namespace

DesiredVms::DesiredVms(state::StateStore& state, state::RequestLog& requests, VmWorker& worker,
                       Reconciler& reconciler, const Clock& clock)
    : state_(state), requests_(requests), worker_(worker), reconciler_(reconciler), clock_(clock) {}

absl::StatusOr<VmRecord> DesiredVms::Store(VmRecord vm, const RequestKey& request) {
  RETURN_IF_ERROR(requests_.PutVm(vm, request));
  reconciler_.Enqueue(vm.uuid);
  return vm;
}

absl::StatusOr<VmRecord> DesiredVms::Create(const v1::VmSpec& spec, const RequestKey& request) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(spec.uuid()));
  const KeyedLock lock(changing_, uuid);
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(request));
  ASSIGN_OR_RETURN(auto existing, state_.GetVm(uuid));
  if (!existing.has_value()) {
    return Store({.uuid = uuid,
                  .spec = domain_xml::Normalize(spec),
                  .generation = 1,
                  .create_time = clock_.Now()},
                 request);
  }
  if (answered) return *std::move(existing);
  const auto fields = domain_xml::DifferingFields(existing->spec, spec);
  return Error(absl::StatusCode::kAlreadyExists, "VM_EXISTS",
               absl::StrCat("VM ", uuid.ToString(), " exists",
                            fields.empty() ? ""
                                           : absl::StrCat(" with another spec (differs in ",
                                                          absl::StrJoin(fields, ", "), ")")));
}

// The record that Apply stores for `spec`, or the one that is stored when it says the same.
absl::StatusOr<VmRecord> DesiredVms::ChangeFor(const v1::VmSpec& spec) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(spec.uuid()));
  const v1::VmSpec wanted = domain_xml::Normalize(spec);
  ASSIGN_OR_RETURN(auto existing, state_.GetVm(uuid));
  if (!existing.has_value()) {
    return VmRecord{.uuid = uuid, .spec = wanted, .generation = 1, .create_time = clock_.Now()};
  }
  if (existing->deleting) return BeingDeleted(*existing);
  std::vector<std::string> fields = domain_xml::DifferingFields(existing->spec, wanted);
  if (fields.empty()) return *std::move(existing);
  fields.erase(std::remove(fields.begin(), fields.end(), "power_state"), fields.end());
  if (!fields.empty()) {
    ASSIGN_OR_RETURN(const bool nothing_exists, worker_.NothingExists(*existing));
    if (!nothing_exists) {
      return Error(absl::StatusCode::kFailedPrecondition, "VM_SPEC_DIFFERS",
                   absl::StrCat("VM ", uuid.ToString(), " (", existing->spec.name(),
                                ") exists with another spec: only power_state can change, not ",
                                absl::StrJoin(fields, ", "), "; delete it first"));
    }
  }
  existing->spec = wanted;
  existing->force_stop = false;
  existing->restart = false;
  ++existing->generation;
  return *std::move(existing);
}

absl::StatusOr<VmRecord> DesiredVms::Apply(const v1::VmSpec& spec, const RequestKey& request) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(spec.uuid()));
  const KeyedLock lock(changing_, uuid);
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(request));
  if (answered) return Find(spec.uuid());
  ASSIGN_OR_RETURN(VmRecord vm, ChangeFor(spec));
  return Store(std::move(vm), request);
}

absl::StatusOr<std::vector<Action>> DesiredVms::DryRun(const v1::VmSpec& spec) {
  ASSIGN_OR_RETURN(const VmRecord vm, ChangeFor(spec));
  ASSIGN_OR_RETURN(const auto same_name, state_.GetVmByName(vm.spec.name()));
  if (same_name.has_value() && same_name->uuid != vm.uuid) {
    return Error(absl::StatusCode::kAlreadyExists, "VM_NAME_TAKEN",
                 absl::StrCat("the name \"", vm.spec.name(), "\" belongs to VM ",
                              same_name->uuid.ToString()));
  }
  ASSIGN_OR_RETURN(const ObservedVm observed, worker_.Observe(vm));
  ASSIGN_OR_RETURN(std::vector<Action> actions, Plan(vm, observed));
  for (const Action& action : actions) {
    if (action.kind == ActionKind::kPrepareRootDisk) RETURN_IF_ERROR(worker_.CheckImage(vm.spec));
    if (action.kind == ActionKind::kDefineDomain) {
      RETURN_IF_ERROR(worker_.Resolve(vm.spec, vm.generation).status());
    }
  }
  return actions;
}

absl::StatusOr<VmRecord> DesiredVms::SetPower(absl::string_view id, v1::PowerState power,
                                              bool force, const RequestKey& request) {
  ASSIGN_OR_RETURN(const VmRecord named, Find(id));
  const KeyedLock lock(changing_, named.uuid);
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(request));
  ASSIGN_OR_RETURN(VmRecord vm, Find(named.uuid.ToString()));
  if (answered) return vm;
  if (vm.deleting) return BeingDeleted(vm);
  if (vm.spec.power_state() != power || vm.force_stop != force || vm.restart) {
    vm.spec.set_power_state(power);
    vm.force_stop = force;
    vm.restart = false;
    ++vm.generation;
  }
  return Store(std::move(vm), request);
}

absl::StatusOr<VmRecord> DesiredVms::Restart(absl::string_view id, bool force,
                                             const RequestKey& request) {
  ASSIGN_OR_RETURN(const VmRecord named, Find(id));
  const KeyedLock lock(changing_, named.uuid);
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(request));
  ASSIGN_OR_RETURN(VmRecord vm, Find(named.uuid.ToString()));
  if (answered) return vm;
  if (vm.deleting) return BeingDeleted(vm);
  vm.spec.set_power_state(v1::RUNNING);
  vm.force_stop = force;
  vm.restart = true;
  ++vm.generation;
  return Store(std::move(vm), request);
}

absl::StatusOr<VmRecord> DesiredVms::Delete(absl::string_view id, const RequestKey& request) {
  absl::StatusOr<VmRecord> vm = Find(id);
  const KeyedLock lock(changing_, vm.ok() ? vm->uuid : Uuid());
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(request));
  if (vm.ok()) vm = Find(vm->uuid.ToString());  // as it is now that nobody else changes it
  if (answered && absl::IsNotFound(vm.status())) {
    return Error(absl::StatusCode::kNotFound, "ALREADY_DELETED", vm.status().message());
  }
  if (!vm.ok() || answered) return vm;
  if (!vm->deleting) {
    vm->deleting = true;
    ++vm->generation;
  }
  return Store(*std::move(vm), request);
}

absl::StatusOr<VmRecord> DesiredVms::Find(absl::string_view id) {
  std::optional<VmRecord> vm;
  if (const auto uuid = Uuid::Parse(id); uuid.ok()) {
    ASSIGN_OR_RETURN(vm, state_.GetVm(*uuid));
  }
  if (!vm.has_value() && CheckVmName(id).ok()) {
    ASSIGN_OR_RETURN(vm, state_.GetVmByName(id));
  }
  if (!vm.has_value()) return NoSuchVm(absl::string_view(id).substr(0, 64));
  return *std::move(vm);
}

}  // namespace hvagent::reconcile
