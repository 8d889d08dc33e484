#include "agent/reconcile/restart_policy.h"

namespace hvagent::reconcile {

using hypervisor::StateReason;

AfterStop JudgeStop(const state::VmRecord& desired, const hypervisor::DomainInfo& off,
                    const Registration& registration) {
  const bool ran = registration.state() == v1::RegistryRecord::RUNNING ||
                   registration.state() == v1::RegistryRecord::PAUSED;
  // With an older wish in the registry this one is new: somebody said after the stop that it runs.
  if (!ran || !registration.Says(desired)) return AfterStop::kStart;
  // The node or libvirtd has restarted since.
  if (off.reason == StateReason::kOther) return AfterStop::kStart;
  switch (desired.spec.restart_policy()) {
    case v1::VmSpec::NEVER:
      return AfterStop::kLeaveOff;
    case v1::VmSpec::ON_FAILURE:
      return off.reason == StateReason::kGuestShutDown ? AfterStop::kLeaveOff : AfterStop::kRestart;
    default:
      return AfterStop::kRestart;
  }
}

absl::string_view StopText(StateReason reason) {
  switch (reason) {
    case StateReason::kGuestShutDown:
      return "the guest shut down by itself";
    case StateReason::kDestroyed:
      return "somebody cut the guest's power";
    case StateReason::kCrashed:
      return "the guest or its QEMU crashed";
    case StateReason::kIoError:
      return "a disk of the guest failed, and it was paused";
    case StateReason::kPausedByUser:
    case StateReason::kOther:
      break;
  }
  return "the guest stopped";
}

}  // namespace hvagent::reconcile
