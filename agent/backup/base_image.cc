#include "agent/backup/base_image.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/backup/read_ahead.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::backup {

block::ImageName BaseOf(const v1::Backup& backup) { return {backup.pool(), "", backup.base()}; }

bool HasSnapshot(const block::ImageInfo& info, const std::string& snapshot) {
  return std::any_of(info.snapshots.begin(), info.snapshots.end(),
                     [&](const block::SnapshotInfo& one) { return one.name == snapshot; });
}

absl::Status CheckBase(const BackupRoom& room, const v1::Backup& backup) {
  const absl::StatusOr<block::ImageInfo> info = room.block.GetImage(BaseOf(backup));
  if (info.ok() && HasSnapshot(*info, backup.snapshot())) return absl::OkStatus();
  if (!info.ok() && ErrorReason(info.status()) != "IMAGE_NOT_FOUND") return info.status();
  return Error(absl::StatusCode::kFailedPrecondition, "BACKUP_BASE_MISSING",
               absl::StrCat(info.ok() ? absl::StrCat("snapshot ", backup.snapshot(), " of ") : "",
                            BaseOf(backup).ToString(), ", which holds backup ", backup.id(),
                            ", is gone: somebody removed it by hand; make a full backup (one "
                            "without --incremental), and delete those that have lost their base"));
}

absl::Status ResetHead(const BackupRoom& room, const block::ImageName& base,
                       const std::string& snapshot, block::ImageWriter& writer, JobGate& gate) {
  ASSIGN_OR_RETURN(const std::unique_ptr<block::ImageReader> head, room.block.OpenReader(base, ""));
  ASSIGN_OR_RETURN(const std::unique_ptr<block::ImageReader> then,
                   room.block.OpenReader(base, snapshot));
  if (head->size() != then->size()) RETURN_IF_ERROR(writer.Resize(then->size()));
  ReadAhead ahead(*then, gate, [&](const block::Extent& extent, const std::string& data) {
    if (IsZeros(data)) return writer.WriteZeros(extent.offset_bytes, extent.length_bytes);
    return writer.Write(extent.offset_bytes, data);
  });
  DiffAhead diff(*head, snapshot, 0, then->size().count());
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<std::vector<block::Extent>> extents, diff.Next());
    if (!extents.has_value()) break;
    for (block::Extent extent : *extents) {
      extent.has_data = true;  // at the snapshot, for all that is known
      RETURN_IF_ERROR(ahead.Add(extent));
    }
  }
  RETURN_IF_ERROR(ahead.Drain());
  return writer.Flush();
}

absl::Status RemoveSnapshotIfThere(const BackupRoom& room, const block::SnapshotName& name) {
  const absl::Status removed = room.block.RemoveSnapshot(name);
  return ErrorReason(removed) == "IMAGE_NOT_FOUND" ? absl::OkStatus() : removed;
}

absl::Status RemoveImageIfThere(const BackupRoom& room, const block::ImageName& name) {
  const absl::Status removed = room.block.RemoveImage(name);
  return ErrorReason(removed) == "IMAGE_NOT_FOUND" ? absl::OkStatus() : removed;
}

}  // namespace hvagent::backup
