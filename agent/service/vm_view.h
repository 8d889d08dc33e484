// A VM as the API shows it: what it shall be, from the state; what it is, asked of libvirt each
// time; and how far the agent is, from the status board.
#ifndef HVAGENT_AGENT_SERVICE_VM_VIEW_H_
#define HVAGENT_AGENT_SERVICE_VM_VIEW_H_

#include <vector>

#include "agent/hypervisor/hypervisor.h"
#include "agent/reconcile/status_board.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/state/state_store.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::service {

// Thread-safe. Show and ShowAll block on libvirt; when it cannot be asked, the power state is
// unspecified and the READY condition says why.
class VmView {
 public:
  // All outlive the view.
  VmView(hypervisor::Hypervisor& hypervisor, const reconcile::StatusBoard& board,
         const reconcile::VmWorkerOptions& options);

  v1::Vm Show(const state::VmRecord& vm);
  // As the last look at the VM found it, without asking anybody.
  v1::Vm ShowAsSeen(const state::VmRecord& vm) const;
  // One call to libvirt for all.
  std::vector<v1::Vm> ShowAll(const std::vector<state::VmRecord>& vms);

 private:
  v1::Vm Build(const state::VmRecord& vm, const absl::StatusOr<v1::PowerState>& power) const;
  void AddPendingRestart(const state::VmRecord& vm, v1::VmStatus& status) const;
  v1::Condition ReadyCondition(const state::VmRecord& vm,
                               const absl::StatusOr<v1::PowerState>& power) const;

  hypervisor::Hypervisor& hypervisor_;
  const reconcile::StatusBoard& board_;
  const reconcile::VmWorkerOptions& options_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_VM_VIEW_H_
