// What a VM's restart policy says of a guest that has stopped without the agent's doing. Pure.
#ifndef HVAGENT_AGENT_RECONCILE_RESTART_POLICY_H_
#define HVAGENT_AGENT_RECONCILE_RESTART_POLICY_H_

#include "absl/strings/string_view.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/reconcile/vm_registrar.h"
#include "agent/state/state_store.h"

namespace hvagent::reconcile {

enum class AfterStop {
  kStart,    // it did not stop by itself, or nobody knows: it is started as any VM that shall run
  kRestart,  // it is started again, in its turn
  kLeaveOff,
};

// `off` is the VM's domain, which does not run and shall. That it ran is known by the registry: the
// agent says there that a guest runs, or is paused, and says otherwise before it stops or starts
// it.
AfterStop JudgeStop(const state::VmRecord& desired, const hypervisor::DomainInfo& off,
                    const Registration& registration);

// "the guest shut down by itself"
absl::string_view StopText(hypervisor::StateReason reason);

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_RESTART_POLICY_H_
