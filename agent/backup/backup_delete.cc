#include "agent/backup/backup_delete.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/backup/base_image.h"
#include "agent/backup/chain_map.h"
#include "agent/backup/read_ahead.h"
#include "agent/backup/restore_point.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::backup {
namespace {

class Deletion {
 public:
  Deletion(const BackupRoom& room, v1::Backup backup) : room_(room), backup_(std::move(backup)) {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(const std::vector<v1::Backup> siblings,
                     room_.catalog.ListOf(backup_.source_image()));
    const auto child = std::find_if(siblings.begin(), siblings.end(), [&](const v1::Backup& one) {
      return one.parent_id() == backup_.id();
    });
    {
      // Locks the base, so that no node adds a restore point to it meanwhile.
      const absl::StatusOr<std::unique_ptr<block::ImageWriter>> lock =
          room_.block.OpenWriter(BaseOf(backup_));
      if (!lock.ok() && !absl::IsNotFound(lock.status())) return lock.status();
      if (child != siblings.end()) RETURN_IF_ERROR(BequeathTo(*child));
      if (lock.ok()) RETURN_IF_ERROR((*lock)->Finish());
    }
    RETURN_IF_ERROR(RemoveSnapshots());
    return room_.catalog.Remove(backup_);
  }

 private:
  absl::Status BequeathTo(v1::Backup child) {
    const absl::Status has_base = CheckBase(room_, backup_);
    if (has_base.ok()) {
      ASSIGN_OR_RETURN(reader_, room_.block.OpenReader(BaseOf(backup_), backup_.snapshot()));
    } else if (ErrorReason(has_base) != "BACKUP_BASE_MISSING") {
      return has_base;
    }
    for (uint64_t number = 0; number < PartCount(Bytes(child.size_bytes())); ++number) {
      ASSIGN_OR_RETURN(const std::vector<Piece> pieces,
                       ReadPieces(room_, {child, backup_}, number));
      v1::BackupPart joined;
      for (const Piece& piece : pieces) {
        ASSIGN_OR_RETURN(*joined.add_extents(), ExtentOf(piece));
      }
      RETURN_IF_ERROR(room_.catalog.WritePart(child.id(), number, joined));
    }
    child.set_parent_id(backup_.parent_id());
    child.set_data_bytes(child.data_bytes() + backup_.data_bytes());
    return room_.catalog.Put(child);
  }

  // The piece as an extent of its own.
  absl::StatusOr<v1::BackupPart::Extent> ExtentOf(const Piece& piece) {
    v1::BackupPart::Extent extent = piece.extent;
    if (piece.is_whole() || reader_ == nullptr) return extent;
    extent.set_offset_bytes(piece.offset_bytes);
    extent.set_length_bytes(piece.length_bytes);
    if (!piece.has_data()) return extent;
    ASSIGN_OR_RETURN(const std::string data,
                     ReadNow(*reader_, piece.extent.offset_bytes(), piece.extent.length_bytes()));
    if (Checksum(data) != piece.extent.checksum()) {
      return Error(
          absl::StatusCode::kDataLoss, "BACKUP_CORRUPT",
          absl::StrCat("backup ", backup_.id(), " does not hold what was backed up, in the ",
                       data.size(), " bytes at ", piece.extent.offset_bytes(),
                       ", and a later one needs them: delete that first"));
    }
    extent.set_checksum(Checksum(absl::string_view(data).substr(
        piece.offset_bytes - piece.extent.offset_bytes(), piece.length_bytes)));
    return extent;
  }

  absl::Status RemoveSnapshots() {
    const block::ImageName base = BaseOf(backup_);
    RETURN_IF_ERROR(RemoveSnapshotIfThere(room_, {base, backup_.snapshot()}));
    ASSIGN_OR_RETURN(const block::ImageName source,
                     ImageOf(backup_.source(), room_.pools, "source"));
    RETURN_IF_ERROR(RemoveSnapshotIfThere(room_, {source, backup_.snapshot()}));
    const absl::StatusOr<block::ImageInfo> info = room_.block.GetImage(base);
    if (absl::IsNotFound(info.status())) return absl::OkStatus();
    RETURN_IF_ERROR(info.status());
    if (!info->snapshots.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(RemoveImageIfThere(room_, base));
    return room_.catalog.ClearWriter(base.name);
  }

  const BackupRoom& room_;
  const v1::Backup backup_;
  std::unique_ptr<block::ImageReader> reader_;  // none where the base is gone
};

}  // namespace

absl::StatusOr<std::vector<v1::Backup>> ChooseBackups(const BackupRoom& room,
                                                      const v1::DeleteBackupsRequest& request) {
  switch (request.which_case()) {
    case v1::DeleteBackupsRequest::kId: {
      ASSIGN_OR_RETURN(v1::Backup backup, room.catalog.Get(request.id()));
      return std::vector<v1::Backup>{std::move(backup)};
    }
    case v1::DeleteBackupsRequest::kPrune: {
      const v1::DeleteBackupsRequest::Prune& prune = request.prune();
      if (prune.keep() == 0) return InvalidField("prune.keep", "must be at least 1");
      ASSIGN_OR_RETURN(const block::ImageName source,
                       ImageOf(prune.source(), room.pools, "prune.source"));
      ASSIGN_OR_RETURN(std::vector<v1::Backup> backups, room.catalog.ListOf(source.ToString()));
      backups.resize(backups.size() - std::min<size_t>(prune.keep(), backups.size()));
      return backups;
    }
    case v1::DeleteBackupsRequest::WHICH_NOT_SET:
      break;
  }
  return InvalidField("which", "names no backup: set id or prune");
}

absl::StatusOr<operations::OperationResult> DeleteBackups(const BackupRoom& room,
                                                          operations::RunningOperation& operation) {
  v1::DeleteBackupsRequest request;
  if (!operation.begun().request().UnpackTo(&request)) {
    return absl::InternalError("the journalled request is not a DeleteBackupsRequest");
  }
  absl::StatusOr<std::vector<v1::Backup>> chosen = ChooseBackups(room, request);
  if (ErrorReason(chosen.status()) == "BACKUP_NOT_FOUND") {
    // Done by an earlier call of this job, or by somebody else.
    RETURN_IF_ERROR(room.catalog.RemoveFromIndex(request.id()));
    return operations::OperationResult();
  }
  RETURN_IF_ERROR(chosen.status());
  for (const v1::Backup& listed : *chosen) {
    RETURN_IF_ERROR(operation.CheckGoesOn());
    const KeyedLock<std::string> lock(room.sources, listed.source_image());
    // As it is now: the last deletion may have changed it.
    const absl::StatusOr<v1::Backup> backup = room.catalog.Get(listed.id());
    if (ErrorReason(backup.status()) == "BACKUP_NOT_FOUND") {
      RETURN_IF_ERROR(room.catalog.Remove(listed));
      continue;
    }
    RETURN_IF_ERROR(backup.status());
    RETURN_IF_ERROR(Deletion(room, *backup).Run());
  }
  return operations::OperationResult();
}

}  // namespace hvagent::backup
