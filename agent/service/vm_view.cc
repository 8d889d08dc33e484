#include "agent/service/vm_view.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "domain_xml/vm_spec.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::service {
namespace {

using google::protobuf::util::TimeUtil;
using hypervisor::DomainState;

google::protobuf::Timestamp ToProto(absl::Time time) {
  return TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

v1::PowerState ToProto(DomainState state) {
  switch (state) {
    case DomainState::kRunning:
      return v1::RUNNING;
    case DomainState::kPaused:
      return v1::PAUSED;
    case DomainState::kShutOff:
    case DomainState::kCrashed:
      return v1::STOPPED;
  }
  return v1::POWER_STATE_UNSPECIFIED;
}

}  // namespace

VmView::VmView(hypervisor::Hypervisor& hypervisor, const reconcile::StatusBoard& board,
               const reconcile::VmWorkerOptions& options)
    : hypervisor_(hypervisor), board_(board), options_(options) {}

v1::Vm VmView::Show(const state::VmRecord& vm) {
  const auto domain = hypervisor_.GetDomain(vm.uuid);
  if (domain.ok()) return Build(vm, ToProto(domain->state));
  if (absl::IsNotFound(domain.status())) return Build(vm, v1::STOPPED);
  return Build(vm, domain.status());
}

v1::Vm VmView::ShowAsSeen(const state::VmRecord& vm) const {
  const auto entry = board_.Get(vm.uuid);
  if (!entry.has_value()) return Build(vm, v1::POWER_STATE_UNSPECIFIED);
  const reconcile::Outcome& outcome = entry->outcome;
  if (outcome.domain_state.has_value()) return Build(vm, ToProto(*outcome.domain_state));
  // Without a domain it does not run; but where the look failed, nobody knows.
  return Build(vm, outcome.error.ok() ? v1::STOPPED : v1::POWER_STATE_UNSPECIFIED);
}

std::vector<v1::Vm> VmView::ShowAll(const std::vector<state::VmRecord>& vms) {
  const auto domains = hypervisor_.ListDomains();
  std::map<Uuid, v1::PowerState> power;
  if (domains.ok()) {
    for (const auto& domain : *domains) power.emplace(domain.uuid, ToProto(domain.state));
  }
  std::vector<v1::Vm> shown;
  shown.reserve(vms.size());
  for (const state::VmRecord& vm : vms) {
    if (!domains.ok()) {
      shown.push_back(Build(vm, domains.status()));
      continue;
    }
    const auto it = power.find(vm.uuid);
    shown.push_back(Build(vm, it == power.end() ? v1::STOPPED : it->second));
  }
  return shown;
}

v1::Vm VmView::Build(const state::VmRecord& vm, const absl::StatusOr<v1::PowerState>& power) const {
  v1::Vm shown;
  *shown.mutable_spec() = vm.spec;
  shown.set_generation(vm.generation);
  *shown.mutable_create_time() = ToProto(vm.create_time);
  v1::VmStatus& status = *shown.mutable_status();
  if (power.ok()) status.set_power_state(*power);
  *status.add_conditions() = ReadyCondition(vm, power);
  if (power.ok() && *power == v1::RUNNING) AddPendingRestart(vm, status);
  status.set_node(options_.node_name);
  const std::string& volume = vm.spec.root_disk().volume();
  status.set_root_disk(
      volume.empty() ? absl::StrCat(options_.vms_pool, "/", domain_xml::RootDiskName(vm.uuid))
                     : absl::StrCat(options_.volumes_pool, "/", domain_xml::VolumeName(volume)));
  if (!options_.serial_log_dir.empty()) {
    status.set_serial_log_file(
        absl::StrCat(options_.serial_log_dir, "/", vm.uuid.ToString(), ".serial.log"));
  }
  status.set_deleting(vm.deleting);
  status.set_claimed(vm.claimed);
  return shown;
}

void VmView::AddPendingRestart(const state::VmRecord& vm, v1::VmStatus& status) const {
  const auto entry = board_.Get(vm.uuid);
  if (!entry.has_value() || entry->outcome.pending_restart.empty()) return;
  v1::Condition& pending = *status.add_conditions();
  pending.set_type("PENDING_RESTART");
  pending.set_status(v1::Condition::TRUE);
  pending.set_reason("SPEC_CHANGED");
  pending.set_message(absl::StrCat(absl::StrJoin(entry->outcome.pending_restart, ", "),
                                   ": the guest has it from its next start"));
  pending.set_observed_generation(entry->outcome.generation);
}

v1::Condition VmView::ReadyCondition(const state::VmRecord& vm,
                                     const absl::StatusOr<v1::PowerState>& power) const {
  v1::Condition ready;
  ready.set_type("READY");
  const auto entry = board_.Get(vm.uuid);
  if (!power.ok()) {
    ready.set_status(v1::Condition::UNKNOWN);
    ready.set_reason(ErrorReason(power.status()).value_or("LIBVIRT_UNAVAILABLE"));
    ready.set_message(std::string(power.status().message()));
    return ready;
  }
  if (!entry.has_value()) {
    ready.set_status(v1::Condition::UNKNOWN);
    ready.set_reason("NOT_OBSERVED");
    ready.set_message("the agent has not looked at this VM yet");
    return ready;
  }
  const reconcile::Outcome& outcome = entry->outcome;
  *ready.mutable_since() = ToProto(entry->since);
  ready.set_observed_generation(outcome.generation);
  if (!outcome.error.ok()) {
    ready.set_status(v1::Condition::FALSE);
    ready.set_reason(
        ErrorReason(outcome.error).value_or(absl::StatusCodeToString(outcome.error.code())));
    ready.set_message(std::string(outcome.error.message()));
  } else if (outcome.waiting.has_value()) {
    ready.set_status(v1::Condition::FALSE);
    ready.set_reason(outcome.waiting->reason);
    ready.set_message(outcome.waiting->message);
  } else if (!outcome.converged || outcome.generation < vm.generation) {
    ready.set_status(v1::Condition::FALSE);
    ready.set_reason("IN_PROGRESS");
    ready.set_message("the agent is working on it, or waits for the guest");
  } else if (outcome.stays_off) {
    ready.set_status(v1::Condition::TRUE);
    ready.set_reason("STAYS_OFF");
    ready.set_message(absl::StrCat("the guest stopped by itself, and restart_policy ",
                                   v1::VmSpec::RestartPolicy_Name(vm.spec.restart_policy()),
                                   " leaves it off until somebody starts it"));
  } else {
    ready.set_status(v1::Condition::TRUE);
    ready.set_reason("AS_SPECIFIED");
  }
  return ready;
}

}  // namespace hvagent::service
