// What to do about one VM, decided from what it shall be and what is there. Pure and total: no
// clock, no libvirt, no Ceph; the same input gives the same plan.
#ifndef HVAGENT_AGENT_RECONCILE_PLAN_H_
#define HVAGENT_AGENT_RECONCILE_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/reconcile/live_changes.h"
#include "agent/reconcile/vm_registrar.h"
#include "agent/state/state_store.h"
#include "hvagent/v1/push.pb.h"

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

enum class ActionKind {
  kWriteRecord,         // what the VM is, in the registry, as this node's
  kPrepareRootDisk,     // clone it, or find what was made or is to be used, and grow what is ours
  kPrepareConfigDrive,  // write it, or find it written
  kGrowRootDisk,        // and tell a running guest
  kAttachVolume,        // to a running guest
  kDetachVolume,        // asks a running guest to let go of it; done when libvirt says so
  kDefineDomain,
  kStartDomain,     // paused; then as kFinishStart
  kFinishStart,     // records who has the disks open, and lets the guest run
  kShutdownDomain,  // asks the guest; done when libvirt says so
  kDestroyDomain,   // cuts its power
  kEndRestart,      // what was to be restarted does not run: from here on it is only to be started
  kUndefineDomain,
  kRemoveConfigDrive,
  kRemoveRootDisk,
  kRemoveRecord,  // of the registry
  kForgetVm,      // drops the node's own record: the last step of a deletion
};

// "PREPARE_ROOT_DISK"
absl::string_view ActionName(ActionKind kind);

struct Action {
  ActionKind kind;
  std::string reason;
  std::string volume_id = "";  // that is attached or detached
  friend bool operator==(const Action&, const Action&) = default;
};

// The action as the API shows it, with what it means to the guest.
v1::PlannedAction Shown(const Action& action);

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
