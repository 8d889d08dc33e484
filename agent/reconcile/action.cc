#include "agent/reconcile/action.h"

#include "absl/strings/str_cat.h"

namespace hvagent::reconcile {
namespace {

v1::Consequence ConsequenceOf(ActionKind kind) {
  switch (kind) {
    case ActionKind::kGrowRootDisk:
    case ActionKind::kAttachVolume:
    case ActionKind::kDetachVolume:
    case ActionKind::kSuspendDomain:
    case ActionKind::kResumeDomain:
      return v1::HOT;
    case ActionKind::kShutdownDomain:
    case ActionKind::kDestroyDomain:
      return v1::STOPS_GUEST;
    case ActionKind::kRemoveConfigDrive:
    case ActionKind::kRemoveRootDisk:
      return v1::DESTROYS_DATA;
    default:
      return v1::CONSEQUENCE_UNSPECIFIED;
  }
}

}  // namespace

absl::string_view ActionName(ActionKind kind) {
  switch (kind) {
    case ActionKind::kWriteRecord:
      return "WRITE_RECORD";
    case ActionKind::kPrepareRootDisk:
      return "PREPARE_ROOT_DISK";
    case ActionKind::kPrepareConfigDrive:
      return "PREPARE_CONFIG_DRIVE";
    case ActionKind::kRestoreRootDisk:
      return "RESTORE_ROOT_DISK";
    case ActionKind::kRestoreConfigDrive:
      return "RESTORE_CONFIG_DRIVE";
    case ActionKind::kGrowRootDisk:
      return "GROW_ROOT_DISK";
    case ActionKind::kAttachVolume:
      return "ATTACH_VOLUME";
    case ActionKind::kDetachVolume:
      return "DETACH_VOLUME";
    case ActionKind::kDefineDomain:
      return "DEFINE_DOMAIN";
    case ActionKind::kCheckDisks:
      return "CHECK_DISKS";
    case ActionKind::kAwaitTurn:
      return "AWAIT_TURN";
    case ActionKind::kStartDomain:
      return "START_DOMAIN";
    case ActionKind::kFinishStart:
      return "FINISH_START";
    case ActionKind::kSuspendDomain:
      return "SUSPEND_DOMAIN";
    case ActionKind::kResumeDomain:
      return "RESUME_DOMAIN";
    case ActionKind::kShutdownDomain:
      return "SHUTDOWN_DOMAIN";
    case ActionKind::kDestroyDomain:
      return "DESTROY_DOMAIN";
    case ActionKind::kEndRestart:
      return "END_RESTART";
    case ActionKind::kLeaveOff:
      return "LEAVE_OFF";
    case ActionKind::kUndefineDomain:
      return "UNDEFINE_DOMAIN";
    case ActionKind::kTrashConfigDrive:
      return "TRASH_CONFIG_DRIVE";
    case ActionKind::kTrashRootDisk:
      return "TRASH_ROOT_DISK";
    case ActionKind::kKeepConfigDrive:
      return "KEEP_CONFIG_DRIVE";
    case ActionKind::kKeepRootDisk:
      return "KEEP_ROOT_DISK";
    case ActionKind::kRemoveConfigDrive:
      return "REMOVE_CONFIG_DRIVE";
    case ActionKind::kRemoveRootDisk:
      return "REMOVE_ROOT_DISK";
    case ActionKind::kRemoveRecord:
      return "REMOVE_RECORD";
    case ActionKind::kSetAside:
      return "SET_ASIDE";
    case ActionKind::kForgetVm:
      return "FORGET_VM";
  }
  return "UNKNOWN";
}

v1::PlannedAction Shown(const Action& action) {
  v1::PlannedAction shown;
  shown.set_action(std::string(ActionName(action.kind)));
  shown.set_reason(action.volume_id.empty() ? action.reason
                                            : absl::StrCat(action.reason, ": ", action.volume_id));
  shown.set_consequence(ConsequenceOf(action.kind));
  return shown;
}

}  // namespace hvagent::reconcile
