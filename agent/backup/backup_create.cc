#include "agent/backup/backup_create.h"

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/backup/backup_commit.h"
#include "agent/backup/base_image.h"
#include "agent/backup/job_gate.h"
#include "agent/backup/part_writer.h"
#include "agent/backup/read_ahead.h"
#include "agent/operations/job_runner.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::backup {
namespace {

using google::protobuf::util::TimeUtil;

// Each step is told to all who watch.
constexpr uint64_t kProgressStep = 32 << 20;

absl::Status MakeAFullOne(absl::string_view reason, absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition, reason,
               absl::StrCat(why, "; make a full backup: one without --incremental"));
}

// The newest restore point of the source, if what changed since can be told.
absl::StatusOr<v1::Backup> FindParent(const BackupRoom& room, const block::ImageName& source,
                                      const block::ImageInfo& info) {
  ASSIGN_OR_RETURN(std::vector<v1::Backup> backups, room.catalog.ListOf(source.ToString()));
  if (backups.empty()) {
    return MakeAFullOne("NO_BACKUP", absl::StrCat("image ", source.ToString(),
                                                  " has no backup that another could follow"));
  }
  v1::Backup& newest = backups.back();
  RETURN_IF_ERROR(CheckBase(room, newest));
  if (!HasSnapshot(info, newest.snapshot())) {
    return MakeAFullOne("BACKUP_SNAPSHOT_MISSING",
                        absl::StrCat("image ", source.ToString(), " has no snapshot ",
                                     newest.snapshot(), " any more, by which what changed since ",
                                     "backup ", newest.id(), " could be told"));
  }
  // In what was cut off and grew again an increment would show the older data.
  if (info.size < Bytes(newest.size_bytes())) {
    return MakeAFullOne("DISK_SHRANK", absl::StrCat("image ", source.ToString(), " has ",
                                                    info.size.count(), " bytes, and had ",
                                                    newest.size_bytes(), " in its last backup"));
  }
  return std::move(newest);
}

class Creation {
 public:
  Creation(const BackupRoom& room, operations::RunningOperation& operation,
           const v1::CreateBackupRequest& request, block::ImageName source)
      : room_(room),
        operation_(operation),
        source_(std::move(source)),
        incremental_(request.incremental()),
        gate_(&operation, room.clock, room.RateOf(request.max_bytes_per_s())) {
    backup_.set_id(operation.id());
    *backup_.mutable_source() = request.source();
    backup_.set_source_image(source_.ToString());
    backup_.set_pool(room.pools.backups);
    backup_.set_base(BaseName(source_, operation.id()));
    backup_.set_snapshot(SnapshotNameOf(
        operation.id(),
        absl::FromUnixSeconds(TimeUtil::TimestampToSeconds(operation.begun().create_time()))));
  }

  absl::StatusOr<operations::OperationResult> Run() {
    const absl::StatusOr<v1::Backup> recorded = room_.catalog.Get(backup_.id());
    if (recorded.ok()) return Complete(*recorded);
    if (ErrorReason(recorded.status()) != "BACKUP_NOT_FOUND") return recorded.status();
    const absl::Status made = Make();
    if (made.ok()) {
      // The base is whole. It is closed while the record is written.
      const std::future<void> closed = std::async(std::launch::async, [this] { writer_.reset(); });
      return Complete(backup_);
    }
    if (operations::IsOpen(made)) return made;
    const absl::Status undone = Undo();
    if (undone.ok()) return made;
    // A client that died a moment ago may be in the way, and will not be for long.
    if (operations::IsOpen(undone) || ErrorReason(undone) == "IMAGE_IN_USE") {
      return absl::UnavailableError(
          absl::StrCat(made.message(), "; to be undone yet: ", undone.message()));
    }
    return Annotate(made, absl::StrCat("what was made is not all undone (", undone.message(), ")"));
  }

 private:
  absl::Status Make() {
    RETURN_IF_ERROR(operation_.CheckGoesOn());
    ASSIGN_OR_RETURN(source_info_, room_.block.GetImage(source_));
    if (incremental_) {
      ASSIGN_OR_RETURN(parent_, FindParent(room_, source_, *source_info_));
      backup_.set_parent_id(parent_->id());
      backup_.set_base(parent_->base());
    }
    // Source and base are made ready side by side: each is a chain of rounds with the cluster. Not
    // where this job was begun before: its snapshot of the source, by which that is known, must not
    // go before what it left on the base.
    if (HasOwnSnapshot()) {
      RETURN_IF_ERROR(OpenBase());
      RETURN_IF_ERROR(OpenSource());
    } else {
      std::future<absl::Status> base =
          std::async(std::launch::async, [this] { return OpenBase(); });
      const absl::Status source_opened = OpenSource();
      RETURN_IF_ERROR(base.get());
      RETURN_IF_ERROR(source_opened);
    }
    backup_.set_size_bytes(reader_->size().count());
    operation_.SetTotal(backup_.size_bytes());
    RETURN_IF_ERROR(TakeHead());
    RETURN_IF_ERROR(Copy());
    return writer_->CreateSnapshot(backup_.snapshot());
  }

  // Whether this job was begun before, and got so far that it can have left anything else.
  bool HasOwnSnapshot() const { return HasSnapshot(*source_info_, backup_.snapshot()); }

  absl::Status OpenSource() {
    const auto place = [&](const std::string& snapshot) {
      return std::find_if(source_info_->snapshots.begin(), source_info_->snapshots.end(),
                          [&](const auto& one) { return one.name == snapshot; });
    };
    const block::SnapshotName name{source_, backup_.snapshot()};
    // One that was made before another node's backup cannot follow that. With it goes what only it
    // tells of.
    if (const auto own = place(backup_.snapshot());
        parent_.has_value() && own < place(parent_->snapshot())) {
      RETURN_IF_ERROR(room_.catalog.RemoveParts(backup_.id(), PartCount(own->size)));
      RETURN_IF_ERROR(room_.block.RemoveSnapshot(name));
    }
    RETURN_IF_ERROR(room_.block.CreateSnapshot(name));
    ASSIGN_OR_RETURN(reader_, room_.block.OpenReader(source_, backup_.snapshot()));
    return absl::OkStatus();
  }

  absl::Status OpenBase() {
    const block::ImageName base = BaseOf(backup_);
    if (!incremental_) {
      const absl::Status made =
          room_.block.CreateImage(base, source_info_->size, source_info_->object_size);
      if (!made.ok() && ErrorReason(made) != "IMAGE_EXISTS") return made;
      if (made.ok()) base_size_ = source_info_->size;
    } else {
      base_size_ = Bytes(parent_->size_bytes());
    }
    if (HasOwnSnapshot()) {
      ASSIGN_OR_RETURN(const BackupCatalog::Writer last, room_.catalog.GetWriter(base.name));
      if (last.id != backup_.id()) {
        // Overtaken after the last step but the record.
        RETURN_IF_ERROR(RemoveSnapshotIfThere(room_, {base, backup_.snapshot()}));
      }
    }
    ASSIGN_OR_RETURN(writer_, room_.block.OpenWriter(base));
    // The base is locked now. What another node did before that counts.
    if (!incremental_) return absl::OkStatus();
    ASSIGN_OR_RETURN(const v1::Backup parent, FindParent(room_, source_, *source_info_));
    if (parent.id() == parent_->id()) return absl::OkStatus();
    return Error(absl::StatusCode::kAborted, "BACKUP_CHANGED",
                 absl::StrCat("another node made a backup of ", source_.ToString(),
                              " meanwhile: try again"));
  }

  // Makes the base's head that of the parent, or empty, and this job's.
  absl::Status TakeHead() {
    const block::ImageName base = BaseOf(backup_);
    const Bytes size(backup_.size_bytes());
    ASSIGN_OR_RETURN(const BackupCatalog::Writer last, room_.catalog.GetWriter(base.name));
    if (last.id != backup_.id()) {
      // After the parent's own maker nobody wrote: its snapshot was the last thing that it made.
      const bool is_clean = !incremental_ || last.id == parent_->id();
      if (!is_clean || HasOwnSnapshot()) {
        RETURN_IF_ERROR(room_.catalog.ClearWriter(base.name));
        RETURN_IF_ERROR(room_.catalog.RemoveParts(backup_.id(), PartCount(size)));
      }
      if (!is_clean) {
        RETURN_IF_ERROR(ResetHead(room_, base, parent_->snapshot(), *writer_, gate_));
      }
      RETURN_IF_ERROR(room_.catalog.SetWriter(base.name, {backup_.id(), room_.node_name}));
    }
    return base_size_ == size ? absl::OkStatus() : writer_->Resize(size);
  }

  absl::Status Copy() {
    uint64_t data_bytes = 0;
    for (uint64_t number = 0; number < PartCount(reader_->size()); ++number) {
      ASSIGN_OR_RETURN(std::optional<v1::BackupPart> part,
                       room_.catalog.ReadPart(backup_.id(), number));
      if (!part.has_value()) {
        ASSIGN_OR_RETURN(part, CopyPart(number));
      }
      data_bytes += DataBytes(*part);
    }
    backup_.set_data_bytes(data_bytes);
    operation_.SetProgress(backup_.size_bytes());
    return absl::OkStatus();
  }

  absl::StatusOr<v1::BackupPart> CopyPart(uint64_t number) {
    v1::BackupPart part;
    PartWriter base(*writer_, /*is_new_base=*/!incremental_, part);
    // Of a new object RBD tells only where it ends: what lies before its data reads as zeros.
    ReadAhead ahead(*reader_, gate_, [&](const block::Extent& extent, const std::string& data) {
      if (extent.offset_bytes - told_to_ >= kProgressStep) {
        operation_.SetProgress(told_to_ = extent.offset_bytes);
      }
      return extent.has_data ? base.Write(extent.offset_bytes, data)
                             : base.WriteZeros(extent.offset_bytes, extent.length_bytes);
    });
    DiffAhead diff(*reader_, incremental_ ? parent_->snapshot() : "", number * kPartBytes,
                   (number + 1) * kPartBytes);
    while (true) {
      // Until it is known what else differs, what was read can be written.
      while (!diff.IsReady() && !ahead.IsEmpty()) RETURN_IF_ERROR(ahead.HandOver());
      ASSIGN_OR_RETURN(const std::optional<std::vector<block::Extent>> extents, diff.Next());
      if (!extents.has_value()) break;
      for (const block::Extent& extent : *extents) RETURN_IF_ERROR(ahead.Add(extent));
    }
    RETURN_IF_ERROR(ahead.Drain());
    RETURN_IF_ERROR(writer_->Flush());
    RETURN_IF_ERROR(room_.catalog.WritePart(backup_.id(), number, part));
    return part;
  }

  // Writes the record if there is none, and leaves on the source only this snapshot of all that
  // backups made.
  absl::StatusOr<operations::OperationResult> Complete(v1::Backup backup) {
    RETURN_IF_ERROR(CommitBackup(room_, backup));
    const absl::Status tidied = RemoveOldSnapshots(backup);
    if (operations::IsOpen(tidied)) return tidied;
    LOG_IF(WARNING, !tidied.ok()) << "backup " << backup.id() << " is made, but snapshots of "
                                  << "earlier ones stay on " << source_.ToString() << ": "
                                  << tidied;
    return operations::OperationResult(std::move(backup));
  }

  absl::Status RemoveOldSnapshots(const v1::Backup& backup) {
    if (!source_info_.has_value()) {
      absl::StatusOr<block::ImageInfo> info = room_.block.GetImage(source_);
      if (absl::IsNotFound(info.status())) return absl::OkStatus();
      RETURN_IF_ERROR(info.status());
      source_info_ = *std::move(info);
    }
    ASSIGN_OR_RETURN(const std::vector<v1::Backup> all, room_.catalog.ListOf(source_.ToString()));
    for (const v1::Backup& other : all) {
      // What comes behind it is newer, made while this job waited.
      if (BackupCatalog::IndexKey(other) >= BackupCatalog::IndexKey(backup)) break;
      if (!HasSnapshot(*source_info_, other.snapshot())) continue;
      RETURN_IF_ERROR(RemoveSnapshotIfThere(room_, {source_, other.snapshot()}));
    }
    return absl::OkStatus();
  }

  // Takes everything back that Make may have done, in this call or in one before.
  absl::Status Undo() {
    reader_.reset();
    writer_.reset();
    return UndoBackup(room_, source_, backup_.id(), backup_.snapshot());
  }

  const BackupRoom& room_;
  operations::RunningOperation& operation_;
  const block::ImageName source_;
  const bool incremental_;
  JobGate gate_;
  v1::Backup backup_;
  uint64_t told_to_ = 0;  // the last progress
  std::optional<v1::Backup> parent_;
  std::optional<block::ImageInfo> source_info_;  // as it was when the job began
  Bytes base_size_;                              // 0: an earlier attempt has made the base
  std::unique_ptr<block::ImageReader> reader_;
  std::unique_ptr<block::ImageWriter> writer_;
};

}  // namespace

absl::StatusOr<v1::Backup> PlanBackup(const BackupRoom& room,
                                      const v1::CreateBackupRequest& request) {
  ASSIGN_OR_RETURN(const block::ImageName source, ImageOf(request.source(), room.pools, "source"));
  ASSIGN_OR_RETURN(const block::ImageInfo info, room.block.GetImage(source));
  v1::Backup backup;
  *backup.mutable_source() = request.source();
  backup.set_source_image(source.ToString());
  backup.set_pool(room.pools.backups);
  backup.set_size_bytes(info.size.count());
  if (request.incremental()) {
    ASSIGN_OR_RETURN(const v1::Backup parent, FindParent(room, source, info));
    backup.set_parent_id(parent.id());
    backup.set_base(parent.base());
  } else {
    // That the pool is there.
    RETURN_IF_ERROR(room.catalog.List(source.ToString(), "", 1).status());
  }
  return backup;
}

absl::StatusOr<operations::OperationResult> CreateBackup(const BackupRoom& room,
                                                         operations::RunningOperation& operation) {
  v1::CreateBackupRequest request;
  if (!operation.begun().request().UnpackTo(&request)) {
    return absl::InternalError("the journalled request is not a CreateBackupRequest");
  }
  ASSIGN_OR_RETURN(block::ImageName source, ImageOf(request.source(), room.pools, "source"));
  const KeyedLock<std::string> lock(room.sources, source.ToString());
  return Creation(room, operation, request, std::move(source)).Run();
}

}  // namespace hvagent::backup
