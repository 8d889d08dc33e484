#include "agent/backup/backup_commit.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "agent/backup/base_image.h"
#include "agent/backup/job_gate.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::backup {
namespace {

using google::protobuf::util::TimeUtil;

// 0 where it is not there.
absl::StatusOr<Bytes> SizeOf(const BackupRoom& room, const block::ImageName& image) {
  const absl::StatusOr<block::ImageInfo> info = room.block.GetImage(image);
  if (ErrorReason(info.status()) == "IMAGE_NOT_FOUND") return Bytes(0);
  RETURN_IF_ERROR(info.status());
  return info->size;
}

// How large the disk may have been when parts of its manifest were written.
absl::StatusOr<Bytes> LargestSize(const BackupRoom& room,
                                  const std::vector<block::ImageName>& images) {
  Bytes largest;
  for (const block::ImageName& image : images) {
    ASSIGN_OR_RETURN(const Bytes size, SizeOf(room, image));
    largest = std::max(largest, size);
  }
  return largest;
}

// `base` may be written to by somebody else now: then it is left.
absl::Status UndoIncrement(const BackupRoom& room, const v1::Backup& parent, const std::string& id,
                           const std::string& snapshot) {
  const block::ImageName base = BaseOf(parent);
  ASSIGN_OR_RETURN(const BackupCatalog::Writer last, room.catalog.GetWriter(base.name));
  if (last.id != id) return absl::OkStatus();
  RETURN_IF_ERROR(RemoveSnapshotIfThere(room, {base, snapshot}));
  absl::StatusOr<std::unique_ptr<block::ImageWriter>> writer = room.block.OpenWriter(base);
  if (absl::IsNotFound(writer.status())) return absl::OkStatus();
  RETURN_IF_ERROR(writer.status());
  JobGate gate(/*operation=*/nullptr, room.clock, 0);
  const absl::Status reset = ResetHead(room, base, parent.snapshot(), **writer, gate);
  // In a full pool it waits for the next backup, which does it first.
  if (!absl::IsResourceExhausted(reset)) {
    RETURN_IF_ERROR(reset);
    RETURN_IF_ERROR((*writer)->Finish());
  }
  return room.catalog.ClearWriter(base.name);
}

}  // namespace

absl::Status CommitBackup(const BackupRoom& room, v1::Backup& backup) {
  if (!backup.has_create_time()) {
    ASSIGN_OR_RETURN(const std::vector<v1::Backup> others,
                     room.catalog.ListOf(backup.source_image()));
    int64_t now = absl::ToUnixMicros(room.clock.Now());
    if (!others.empty()) {
      now = std::max(now, TimeUtil::TimestampToMicroseconds(others.back().create_time()) + 1);
    }
    *backup.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(now);
  }
  return room.catalog.Put(backup);
}

absl::Status UndoBackup(const BackupRoom& room, const block::ImageName& source,
                        const std::string& id, const std::string& snapshot) {
  ASSIGN_OR_RETURN(const std::vector<v1::Backup> backups, room.catalog.ListOf(source.ToString()));
  const block::ImageName own_base{room.pools.backups, "", BaseName(source, id)};
  std::vector<block::ImageName> images = {source, own_base};
  if (!backups.empty()) images.push_back(BaseOf(backups.back()));
  // First the manifest, whose extent is known as long as its image is there.
  ASSIGN_OR_RETURN(const Bytes size, LargestSize(room, images));
  RETURN_IF_ERROR(room.catalog.RemoveParts(id, PartCount(size)));
  if (!backups.empty()) RETURN_IF_ERROR(UndoIncrement(room, backups.back(), id, snapshot));
  RETURN_IF_ERROR(RemoveSnapshotIfThere(room, {own_base, snapshot}));
  RETURN_IF_ERROR(RemoveImageIfThere(room, own_base));
  RETURN_IF_ERROR(room.catalog.ClearWriter(own_base.name));
  return RemoveSnapshotIfThere(room, {source, snapshot});
}

}  // namespace hvagent::backup
