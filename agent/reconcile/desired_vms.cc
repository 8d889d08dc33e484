#include "agent/reconcile/desired_vms.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/reconcile/vm_change.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "domain_xml/vm_spec.h"
#include "google/protobuf/util/message_differencer.h"

namespace hvagent::reconcile {
namespace {

using google::protobuf::util::MessageDifferencer;
using state::RequestKey;
using state::VmChange;
using state::VmRecord;

absl::Status NoSuchVm(absl::string_view id) {
  return Error(absl::StatusCode::kNotFound, "VM_NOT_FOUND",
               absl::StrCat("there is no VM \"", id, "\" on this node"));
}

void RemoveVolume(v1::VmSpec& spec, absl::string_view id) {
  auto& volumes = *spec.mutable_volumes();
  volumes.erase(std::remove_if(volumes.begin(), volumes.end(),
                               [&](const v1::VolumeAttachment& volume) {
                                 return absl::EqualsIgnoreCase(volume.id(), id);
                               }),
                volumes.end());
}

// What is wrong with volumes[index] of the spec, by its path in the request that adds it.
absl::Status AsOfRequest(const absl::Status& status, int index) {
  const std::string in_spec = absl::StrCat("volumes[", index, "].");
  const std::string field = ErrorField(status).value_or("");
  if (!absl::StartsWith(field, in_spec)) return status;
  return InvalidField(absl::StrCat("volume.", field.substr(in_spec.size())),
                      status.message().substr(field.size() + 2));
}

}  // namespace

DesiredVms::DesiredVms(state::StateStore& state, state::RequestLog& requests, VmWorker& worker,
                       Reconciler& reconciler, const Clock& clock)
    : state_(state), requests_(requests), worker_(worker), reconciler_(reconciler), clock_(clock) {}

absl::StatusOr<VmRecord> DesiredVms::Store(VmChange change, const RequestKey& request) {
  RETURN_IF_ERROR(requests_.Commit({.vms = {change}}, request));
  reconciler_.Enqueue(change.vm.uuid);
  return std::move(change.vm);
}

absl::StatusOr<VmRecord> DesiredVms::Create(const v1::VmSpec& spec, const RequestKey& request) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(spec.uuid()));
  const KeyedLock lock(changing_, uuid);
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(request));
  ASSIGN_OR_RETURN(auto existing, state_.GetVm(uuid));
  if (!existing.has_value()) {
    ASSIGN_OR_RETURN(DecidedChange decided, DecideChange(std::nullopt, domain_xml::Normalize(spec),
                                                         worker_, clock_.Now()));
    return Store(std::move(decided.change), request);
  }
  if (answered) return *std::move(existing);
  const auto fields = domain_xml::DifferingFields(existing->spec, spec);
  return Error(absl::StatusCode::kAlreadyExists, "VM_EXISTS",
               absl::StrCat("VM ", uuid.ToString(), " exists",
                            fields.empty() ? ""
                                           : absl::StrCat(" with another spec (differs in ",
                                                          absl::StrJoin(fields, ", "), ")")));
}

absl::StatusOr<VmChange> DesiredVms::ChangeFor(const v1::VmSpec& spec) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(spec.uuid()));
  ASSIGN_OR_RETURN(const auto stored, state_.GetVm(uuid));
  ASSIGN_OR_RETURN(DecidedChange decided,
                   DecideChange(stored, domain_xml::Normalize(spec), worker_, clock_.Now()));
  return std::move(decided.change);
}

absl::StatusOr<VmRecord> DesiredVms::Apply(const v1::VmSpec& spec, const RequestKey& request) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(spec.uuid()));
  const KeyedLock lock(changing_, uuid);
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(request));
  if (answered) return Find(spec.uuid());
  ASSIGN_OR_RETURN(VmChange change, ChangeFor(spec));
  return Store(std::move(change), request);
}

absl::StatusOr<std::vector<Action>> DesiredVms::DryRun(const v1::VmSpec& spec) {
  ASSIGN_OR_RETURN(const VmChange change, ChangeFor(spec));
  return DryRun(change.vm);
}

absl::StatusOr<std::vector<Action>> DesiredVms::DryRun(const VmRecord& vm) {
  ASSIGN_OR_RETURN(const auto same_name, state_.GetVmByName(vm.spec.name()));
  if (same_name.has_value() && same_name->uuid != vm.uuid) {
    return Error(absl::StatusCode::kAlreadyExists, "VM_NAME_TAKEN",
                 absl::StrCat("the name \"", vm.spec.name(), "\" belongs to VM ",
                              same_name->uuid.ToString()));
  }
  ASSIGN_OR_RETURN(const ObservedVm observed, worker_.Observe(vm));
  ASSIGN_OR_RETURN(std::vector<Action> actions, Plan(vm, observed));
  for (const Action& action : actions) {
    if (action.kind == ActionKind::kPrepareRootDisk) {
      RETURN_IF_ERROR(worker_.CheckRootDiskSource(vm.spec));
    }
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
  const int64_t seen = vm.generation;
  if (vm.spec.power_state() != power || vm.force_stop != force || vm.restart) {
    vm.spec.set_power_state(power);
    vm.force_stop = force;
    vm.restart = false;
    ++vm.generation;
  }
  return Store({std::move(vm), seen}, request);
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
  const int64_t seen = vm.generation++;
  return Store({std::move(vm), seen}, request);
}

absl::StatusOr<VmRecord> DesiredVms::ChangeSpec(absl::string_view id,
                                                absl::FunctionRef<absl::Status(v1::VmSpec&)> change,
                                                const RequestKey& request) {
  ASSIGN_OR_RETURN(const VmRecord named, Find(id));
  const KeyedLock lock(changing_, named.uuid);
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(request));
  ASSIGN_OR_RETURN(const VmRecord vm, Find(named.uuid.ToString()));
  if (answered) return vm;
  v1::VmSpec wanted = vm.spec;
  RETURN_IF_ERROR(change(wanted));
  RETURN_IF_ERROR(domain_xml::ValidateVmSpec(wanted));
  ASSIGN_OR_RETURN(DecidedChange decided,
                   DecideChange(vm, domain_xml::Normalize(wanted), worker_, clock_.Now()));
  return Store(std::move(decided.change), request);
}

absl::StatusOr<VmRecord> DesiredVms::AttachVolume(absl::string_view id,
                                                  const v1::VolumeAttachment& volume,
                                                  const RequestKey& request) {
  return ChangeSpec(
      id,
      [&](v1::VmSpec& spec) {
        v1::VmSpec with = spec;
        RemoveVolume(with, volume.id());
        *with.add_volumes() = volume;
        RETURN_IF_ERROR(AsOfRequest(domain_xml::ValidateVmSpec(with), with.volumes_size() - 1));
        with = domain_xml::Normalize(std::move(with));
        const v1::VolumeAttachment& wanted = *with.volumes().rbegin();
        for (const v1::VolumeAttachment& other : spec.volumes()) {
          if (other.id() != wanted.id()) continue;
          if (MessageDifferencer::Equals(other, wanted)) return absl::OkStatus();
          return Error(absl::StatusCode::kFailedPrecondition, "VOLUME_ATTACHED",
                       absl::StrCat("the VM has volume ", wanted.id(),
                                    " already, with other settings: detach it first"));
        }
        spec = std::move(with);
        return absl::OkStatus();
      },
      request);
}

absl::StatusOr<VmRecord> DesiredVms::DetachVolume(absl::string_view id,
                                                  const std::string& volume_id,
                                                  const RequestKey& request) {
  return ChangeSpec(
      id,
      [&](v1::VmSpec& spec) {
        RemoveVolume(spec, volume_id);
        return absl::OkStatus();
      },
      request);
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
  const int64_t seen = vm->generation;
  if (!vm->deleting) {
    vm->deleting = true;
    ++vm->generation;
  }
  return Store({*std::move(vm), seen}, request);
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
