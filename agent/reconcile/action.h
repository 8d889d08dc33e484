// The steps by which a VM becomes as it shall be.
#ifndef HVAGENT_AGENT_RECONCILE_ACTION_H_
#define HVAGENT_AGENT_RECONCILE_ACTION_H_

#include <string>

#include "absl/strings/string_view.h"
#include "hvagent/v1/push.pb.h"

namespace hvagent::reconcile {

enum class ActionKind {
  kWriteRecord,         // what the VM is, in the registry, as this node's
  kPrepareRootDisk,     // clone it, or find what was made or is to be used, and grow what is ours
  kPrepareConfigDrive,  // write it, or find it written
  kRestoreRootDisk,     // from the trash
  kRestoreConfigDrive,
  kGrowRootDisk,  // and tell a running guest
  kAttachVolume,  // to a running guest
  kDetachVolume,  // asks a running guest to let go of it; done when libvirt says so
  kDefineDomain,
  kCheckDisks,      // whether the storage of a paused guest is there again
  kAwaitTurn,       // what follows is done at once, or after a pause, if it was done lately
  kStartDomain,     // paused; then as kFinishStart
  kFinishStart,     // records who has the disks open, and lets the guest run if it shall
  kSuspendDomain,   // pauses the guest
  kResumeDomain,    // lets a paused guest run
  kShutdownDomain,  // asks the guest; done when libvirt says so
  kDestroyDomain,   // cuts its power
  kEndRestart,      // what was to be restarted does not run: from here on it is only to be started
  kLeaveOff,        // notes that a guest which stopped by itself is not to be started
  kUndefineDomain,
  kTrashConfigDrive,
  kTrashRootDisk,
  kKeepConfigDrive,  // says on it that it was kept
  kKeepRootDisk,
  kRemoveConfigDrive,
  kRemoveRootDisk,
  kRemoveRecord,  // of the registry
  kSetAside,  // moves the node's own record to those of deleted VMs: the last step of a deletion
  kForgetVm,  // drops the node's own record: the last step of a deletion without return
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

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_ACTION_H_
