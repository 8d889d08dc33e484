// What to do about one VM, decided from what it shall be and what is there. Pure and total: no
// clock, no libvirt, no Ceph; the same input gives the same plan.
#ifndef HVAGENT_AGENT_RECONCILE_PLAN_H_
#define HVAGENT_AGENT_RECONCILE_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/reconcile/action.h"
#include "agent/reconcile/live_changes.h"
#include "agent/reconcile/vm_registrar.h"
#include "agent/state/state_store.h"
#include "hvagent/v1/registry.pb.h"

namespace hvagent::reconcile {

// What libvirt says about one VM, each time anew.
struct ObservedVm {
  // The domain with the VM's UUID.
  std::optional<hypervisor::DomainInfo> domain;
  // Whether that domain bears our mark.
  bool domain_is_ours = false;
  // Whether that domain is shut off, and what is defined names another secret, user or key than a
  // start now would use.
  bool definition_is_stale = false;
  // Set where that domain's mark names an older spec than the VM has now.
  std::optional<OlderDomain> older;
  // The epoch in that domain's mark; 0: none.
  int64_t marked_epoch = 0;
  // The disks that its guest may write, while it is active.
  std::vector<block::ImageName> writable_disks;
  Registration registration;
  // Of the clients that the registry had for the VM's disks when it was looked at: a watch of
  // theirs is what its own last QEMU left.
  std::vector<std::string> known_addresses;
  // Another domain that has the VM's name.
  std::optional<hypervisor::DomainInfo> name_holder;
};

// What the registry shall say of the guest, as it was seen and as it shall be.
v1::RegistryRecord::State StateToRecord(const state::VmRecord& desired, const ObservedVm& observed);

// The actions, in order; none when all is as it shall be. The registry knows of a change before it
// takes effect, but for a stop, which waits for nobody. A domain's disk is there before its
// definition and is removed after it; a domain that is not ours, or a VM that is another node's, is
// never acted on.
// Errors: FAILED_PRECONDITION (DOMAIN_NOT_OURS, DOMAIN_PAUSED), ALREADY_EXISTS
// (DOMAIN_NAME_TAKEN), and the registration's where there is more to do than a stop.
absl::StatusOr<std::vector<Action>> Plan(const state::VmRecord& desired,
                                         const ObservedVm& observed);

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_PLAN_H_
