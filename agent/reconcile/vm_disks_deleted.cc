// VmDisks: what becomes of a VM's disks when it is deleted, and how they come back.
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/block/trash_mark.h"
#include "agent/reconcile/vm_disks.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/vm_spec.h"

namespace hvagent::reconcile {
namespace {

using block::ImageInfo;
using block::ImageName;
using block::TrashedImage;

constexpr size_t kPage = 1000;

bool IsMarkedAsOurs(const state::VmRecord& vm, const ImageInfo& disk) {
  const std::optional<DiskMark> mark = MarkOf(disk);
  return mark.has_value() && mark->vm == vm.uuid.ToString();
}

// Gone is gone, and a guest that was stopped just now leaves a watch for 30 s.
absl::Status SettleRemoval(const absl::Status& removed) {
  if (absl::IsNotFound(removed)) return absl::OkStatus();
  if (ErrorReason(removed) != "IMAGE_IN_USE") return removed;
  return Error(absl::StatusCode::kUnavailable, "IMAGE_IN_USE", removed.message());
}

absl::Status NameTaken(const ImageName& disk) {
  return Error(absl::StatusCode::kAlreadyExists, "DISK_NAME_TAKEN",
               absl::StrCat("image ", disk.ToString(),
                            " exists and is not the one that was deleted with the VM: rename or "
                            "remove it, then undelete again"));
}

absl::Status NotInTrash(const ImageName& disk) {
  return Error(absl::StatusCode::kFailedPrecondition, "DISK_NOT_IN_TRASH",
               absl::StrCat("image ", disk.ToString(),
                            " is not in the trash of its pool: the VM cannot be had back"));
}

}  // namespace

absl::Status VmDisks::RemoveRootDisk(const state::VmRecord& vm) {
  return Remove(vm, RootDisk(vm.uuid));
}

absl::Status VmDisks::RemoveConfigDrive(const state::VmRecord& vm) {
  return Remove(vm, ConfigDrive(vm.uuid));
}

absl::Status VmDisks::TrashRootDisk(const state::VmRecord& vm, absl::Duration delay) {
  return Trash(vm, RootDisk(vm.uuid), delay);
}

absl::Status VmDisks::TrashConfigDrive(const state::VmRecord& vm, absl::Duration delay) {
  return Trash(vm, ConfigDrive(vm.uuid), delay);
}

absl::Status VmDisks::KeepRootDisk(const state::VmRecord& vm) {
  return Keep(vm, RootDisk(vm.uuid));
}

absl::Status VmDisks::KeepConfigDrive(const state::VmRecord& vm) {
  return Keep(vm, ConfigDrive(vm.uuid));
}

absl::Status VmDisks::RestoreRootDisk(const state::VmRecord& vm) {
  return Restore(vm, RootDisk(vm.uuid));
}

absl::Status VmDisks::RestoreConfigDrive(const state::VmRecord& vm) {
  return Restore(vm, ConfigDrive(vm.uuid));
}

// A disk that is somebody else's stays, and does not keep our record from going.
absl::Status VmDisks::Remove(const state::VmRecord& vm, const ImageName& disk) {
  ASSIGN_OR_RETURN(const bool is_ours, IsThereAndOurs(vm, disk));
  return is_ours ? SettleRemoval(block_.RemoveImage(disk)) : absl::OkStatus();
}

absl::Status VmDisks::Trash(const state::VmRecord& vm, const ImageName& disk,
                            absl::Duration delay) {
  ASSIGN_OR_RETURN(const bool is_ours, IsThereAndOurs(vm, disk));
  if (!is_ours) {
    // A move that was cut off may have taken its name already: librbd finishes it when it is asked
    // again, and nothing of it can be restored before that.
    const absl::Status there = block_.GetImage(disk).status();
    return absl::IsNotFound(there) ? SettleRemoval(block_.MoveToTrash(disk, delay)) : there;
  }
  // One that a crash left without a mark gets it now: in the trash only marks tell whose it is.
  const absl::Status marked = block_.AmendImage(
      disk, {.metadata = {{kOwnerKey, MarkText(vm)}, {block::kTrashKey, disk.name}}});
  return SettleRemoval(marked.ok() ? block_.MoveToTrash(disk, delay) : marked);
}

absl::Status VmDisks::Keep(const state::VmRecord& vm, const ImageName& disk) {
  ASSIGN_OR_RETURN(const bool is_ours, IsThereAndOurs(vm, disk));
  if (!is_ours) return absl::OkStatus();
  // The new mark is there before the old one goes: in between the disk is still the VM's.
  return block_.AmendImage(
      disk, {.metadata = {{kKeptKey, MarkText(vm)}}, .remove_metadata = {kOwnerKey}});
}

absl::StatusOr<bool> VmDisks::HasItsName(const state::VmRecord& vm, const ImageName& disk) {
  const absl::StatusOr<ImageInfo> there = block_.GetImage(disk);
  if (absl::IsNotFound(there.status())) return false;
  if (!there.ok()) return there.status();
  if (!IsMarkedAsOurs(vm, *there)) return NameTaken(disk);
  return true;
}

absl::StatusOr<std::string> VmDisks::FindInTrash(const state::VmRecord& vm, const ImageName& disk) {
  std::optional<TrashedImage> newest;
  std::vector<TrashedImage> page;
  do {
    const std::string after = page.empty() ? "" : page.back().id;
    ASSIGN_OR_RETURN(page, block_.ListTrash(disk.pool, after, kPage));
    for (const TrashedImage& trashed : page) {
      if (trashed.name != disk.name) continue;
      if (newest.has_value() && newest->trashed_at > trashed.trashed_at) continue;
      const absl::StatusOr<ImageInfo> info = block_.GetTrashedImage(disk.pool, trashed.id);
      if (absl::IsNotFound(info.status())) continue;  // It was removed just now.
      RETURN_IF_ERROR(info.status());
      if (block::IsTrashedByAgent(trashed, *info) && IsMarkedAsOurs(vm, *info)) newest = trashed;
    }
  } while (page.size() == kPage);
  return newest.has_value() ? newest->id : "";
}

absl::Status VmDisks::CheckRestorable(const state::VmRecord& vm, const ImageName& disk) {
  ASSIGN_OR_RETURN(const bool has_its_name, HasItsName(vm, disk));
  if (has_its_name) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string id, FindInTrash(vm, disk));
  return id.empty() ? NotInTrash(disk) : absl::OkStatus();
}

absl::Status VmDisks::CheckRestorable(const state::VmRecord& vm) {
  if (domain_xml::OwnsRootDisk(vm.spec)) {
    RETURN_IF_ERROR(CheckRestorable(vm, RootDisk(vm.uuid)));
  }
  return vm.spec.has_cloud_init() ? CheckRestorable(vm, ConfigDrive(vm.uuid)) : absl::OkStatus();
}

absl::Status VmDisks::Restore(const state::VmRecord& vm, const ImageName& disk) {
  ASSIGN_OR_RETURN(const bool has_its_name, HasItsName(vm, disk));
  // Also where it has: a restoration that was cut off gives the name first, and is finished by the
  // same again. What is in the trash of an earlier deletion is refused, and stays there.
  ASSIGN_OR_RETURN(const std::string id, FindInTrash(vm, disk));
  if (!id.empty()) {
    const absl::Status restored = block_.RestoreFromTrash(disk.pool, id, disk.name);
    const bool is_done = has_its_name && absl::IsAlreadyExists(restored);
    if (absl::IsAlreadyExists(restored) && !has_its_name) return NameTaken(disk);
    if (absl::IsNotFound(restored) && !has_its_name) return NotInTrash(disk);
    if (!is_done && !absl::IsNotFound(restored)) RETURN_IF_ERROR(restored);
  } else if (!has_its_name) {
    return NotInTrash(disk);
  }
  return block_.AmendImage(disk, {.remove_metadata = {block::kTrashKey}});
}

}  // namespace hvagent::reconcile
