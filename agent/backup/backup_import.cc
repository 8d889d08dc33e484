#include "agent/backup/backup_import.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/backup/backup_commit.h"
#include "agent/backup/base_image.h"
#include "agent/backup/job_gate.h"
#include "agent/backup/part_writer.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::backup {
namespace {

using google::protobuf::util::TimeUtil;

// RBD's own default; the stream does not tell its disk's.
constexpr Bytes kObjectSize = MiB(4);
// Of one part: more than a guest that writes every other 4 KiB makes. Bounds what is held of a
// manifest.
constexpr int kMaxExtents = 1 << 20;

std::string SnapshotOf(const operations::RunningOperation& operation) {
  const int64_t begun = TimeUtil::TimestampToSeconds(operation.begun().create_time());
  return SnapshotNameOf(operation.id(), absl::FromUnixSeconds(begun));
}

// The newest restore point of the source, if it is the one that the stream continues.
absl::StatusOr<v1::Backup> FindParent(const BackupRoom& room, const std::string& source_image,
                                      const DiffHeader& header) {
  ASSIGN_OR_RETURN(std::vector<v1::Backup> backups, room.catalog.ListOf(source_image));
  const auto refuse = [&](absl::string_view why) {
    return Error(absl::StatusCode::kFailedPrecondition, "DIFF_HAS_OTHER_BASE",
                 absl::StrCat("the stream tells what changed since the snapshot ",
                              header.from_snapshot, ", and ", why,
                              ": import what comes before it first, or export the backup whole"));
  };
  if (backups.empty()) return refuse(absl::StrCat(source_image, " has no backup"));
  v1::Backup& newest = backups.back();
  if (header.from_snapshot != newest.snapshot() &&
      header.from_snapshot != newest.imported_snapshot()) {
    return refuse(absl::StrCat(
        "the newest backup of ", source_image, ", ", newest.id(), ", is of ",
        newest.imported_snapshot().empty() ? newest.snapshot() : newest.imported_snapshot()));
  }
  if (header.size_bytes < newest.size_bytes()) {
    return refuse(absl::StrCat("its disk of ", header.size_bytes, " bytes is smaller than the ",
                               newest.size_bytes(), " bytes of backup ", newest.id()));
  }
  RETURN_IF_ERROR(CheckBase(room, newest));
  return std::move(newest);
}

class Import {
 public:
  Import(const BackupRoom& room, const v1::BackupDisk& source,
         operations::RunningOperation& operation, DiffReader::Source stream)
      : room_(room),
        operation_(operation),
        gate_(&operation, room.clock, room.RateOf(0)),
        stream_(std::move(stream), room.max_disk_size) {
    backup_.set_id(operation.id());
    *backup_.mutable_source() = source;
    backup_.set_source_image(operation.begun().target());
    backup_.set_pool(room.pools.backups);
    backup_.set_snapshot(SnapshotOf(operation));
  }

  absl::StatusOr<v1::Backup> Run(const block::ImageName& source) {
    ASSIGN_OR_RETURN(const DiffHeader header, stream_.ReadHeader());
    backup_.set_size_bytes(header.size_bytes);
    backup_.set_imported_snapshot(header.to_snapshot);
    operation_.SetTotal(header.size_bytes);
    if (header.from_snapshot.empty()) {
      RETURN_IF_ERROR(OpenNewBase(source));
    } else {
      RETURN_IF_ERROR(OpenBaseOfParent(header));
    }
    RETURN_IF_ERROR(Copy());
    RETURN_IF_ERROR(writer_->CreateSnapshot(backup_.snapshot()));
    RETURN_IF_ERROR(writer_->Finish());
    RETURN_IF_ERROR(CommitBackup(room_, backup_));
    return backup_;
  }

 private:
  absl::Status OpenNewBase(const block::ImageName& source) {
    backup_.set_base(BaseName(source, backup_.id()));
    RETURN_IF_ERROR(
        room_.block.CreateImage(BaseOf(backup_), Bytes(backup_.size_bytes()), kObjectSize));
    ASSIGN_OR_RETURN(writer_, room_.block.OpenWriter(BaseOf(backup_)));
    // So that a base that nobody comes back to is known as this node's.
    return room_.catalog.SetWriter(backup_.base(), {backup_.id(), room_.node_name});
  }

  absl::Status OpenBaseOfParent(const DiffHeader& header) {
    ASSIGN_OR_RETURN(const v1::Backup parent, FindParent(room_, backup_.source_image(), header));
    backup_.set_parent_id(parent.id());
    backup_.set_base(parent.base());
    const block::ImageName base = BaseOf(backup_);
    ASSIGN_OR_RETURN(writer_, room_.block.OpenWriter(base));
    // The base is locked now. What another node did before that counts.
    RETURN_IF_ERROR(FindParent(room_, backup_.source_image(), header).status());
    RETURN_IF_ERROR(room_.catalog.ClearWriter(base.name));
    RETURN_IF_ERROR(ResetHead(room_, base, parent.snapshot(), *writer_, gate_));
    RETURN_IF_ERROR(room_.catalog.SetWriter(base.name, {backup_.id(), room_.node_name}));
    if (parent.size_bytes() == backup_.size_bytes()) return absl::OkStatus();
    return writer_->Resize(Bytes(backup_.size_bytes()));
  }

  absl::Status Copy() {
    v1::BackupPart part;
    PartWriter base(*writer_, /*is_new_base=*/backup_.parent_id().empty(), part);
    uint64_t number = 0;
    while (true) {
      ASSIGN_OR_RETURN(std::optional<DiffReader::Change> change, stream_.Next());
      if (!change.has_value()) break;
      const block::Extent extent = change->extent;
      while (extent.offset_bytes / kPartBytes > number) RETURN_IF_ERROR(EndPart(number++, part));
      RETURN_IF_ERROR(gate_.Pass(change->data.size()));
      RETURN_IF_ERROR(extent.has_data ? base.Write(extent.offset_bytes, change->data)
                                      : base.WriteZeros(extent.offset_bytes, extent.length_bytes));
      if (part.extents_size() > kMaxExtents) {
        return Error(
            absl::StatusCode::kInvalidArgument, "DIFF_REFUSED",
            absl::StrCat("the stream is refused: it has more than ", kMaxExtents,
                         " changes in the 4 GiB before byte ", extent.end_bytes(), " of its disk"));
      }
      operation_.SetProgress(extent.offset_bytes);
    }
    while (number < PartCount(Bytes(backup_.size_bytes()))) {
      RETURN_IF_ERROR(EndPart(number++, part));
    }
    operation_.SetProgress(backup_.size_bytes());
    return absl::OkStatus();
  }

  // Writes the part and begins the next.
  absl::Status EndPart(uint64_t number, v1::BackupPart& part) {
    RETURN_IF_ERROR(room_.catalog.WritePart(backup_.id(), number, part));
    backup_.set_data_bytes(backup_.data_bytes() + DataBytes(part));
    part.Clear();
    return absl::OkStatus();
  }

  const BackupRoom& room_;
  operations::RunningOperation& operation_;
  JobGate gate_;
  DiffReader stream_;
  v1::Backup backup_;
  std::unique_ptr<block::ImageWriter> writer_;
};

// What an import that ended somewhere came to: its backup, if that was recorded; else nothing, and
// what was made is undone.
absl::StatusOr<std::optional<v1::Backup>> Settle(const BackupRoom& room,
                                                 const block::ImageName& source,
                                                 const operations::RunningOperation& operation) {
  absl::StatusOr<v1::Backup> recorded = room.catalog.Get(operation.id());
  if (recorded.ok()) {
    RETURN_IF_ERROR(CommitBackup(room, *recorded));
    return *std::move(recorded);
  }
  if (ErrorReason(recorded.status()) != "BACKUP_NOT_FOUND") return recorded.status();
  RETURN_IF_ERROR(UndoBackup(room, source, operation.id(), SnapshotOf(operation)));
  return std::nullopt;
}

// Of the target, which is an image's name as text.
block::ImageName SourceOf(const operations::RunningOperation& operation) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(operation.begun().target(), absl::MaxSplits('/', 1));
  return {parts.first, "", parts.second};
}

}  // namespace

absl::StatusOr<v1::Backup> ImportBackup(const BackupRoom& room, const v1::BackupDisk& source,
                                        operations::RunningOperation& operation,
                                        DiffReader::Source stream) {
  const block::ImageName image = SourceOf(operation);
  const KeyedLock<std::string> lock(room.sources, operation.begun().target());
  absl::StatusOr<v1::Backup> backup = Import(room, source, operation, std::move(stream)).Run(image);
  if (!backup.ok()) {
    absl::StatusOr<std::optional<v1::Backup>> outcome = Settle(room, image, operation);
    if (!outcome.ok()) {
      LOG(ERROR) << "import " << operation.id() << " of a backup of " << image.ToString()
                 << " failed (" << backup.status() << ") and is left for later, since it could not "
                 << "be undone now: " << outcome.status();
      operation.LeaveToRecovery();
      return backup;
    }
    if (outcome->has_value()) backup = **std::move(outcome);
  }
  const absl::Status journalled =
      backup.ok() ? operation.Finish(*backup) : operation.Finish(backup.status());
  LOG_IF(ERROR, !journalled.ok()) << "import " << operation.id()
                                  << " of a backup: its end could not be recorded: " << journalled;
  return backup;
}

absl::StatusOr<operations::OperationResult> SettleBackupImport(
    const BackupRoom& room, operations::RunningOperation& operation) {
  const KeyedLock<std::string> lock(room.sources, operation.begun().target());
  ASSIGN_OR_RETURN(std::optional<v1::Backup> backup, Settle(room, SourceOf(operation), operation));
  if (backup.has_value()) return *std::move(backup);
  return Error(absl::StatusCode::kAborted, "CUT_OFF",
               "the agent was restarted, or Ceph went away, while this ran; what it had done was "
               "undone: start it again");
}

}  // namespace hvagent::backup
