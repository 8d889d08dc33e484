#include "agent/backup/backup_restore.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/backup/base_image.h"
#include "agent/backup/chain_map.h"
#include "agent/backup/read_ahead.h"
#include "agent/backup/restore_point.h"
#include "agent/block/block_error.h"
#include "agent/operations/job_runner.h"
#include "agent/operations/operation_tag.h"
#include "agent/operations/volume_create.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::backup {
namespace {

// The least that is compared: what librbd stores and QEMU's guests write.
constexpr uint64_t kGrainBytes = 4096;
// Which operation made a volume, so that it knows it again after a crash.
constexpr char kRestoreKey[] = "hvagent.restore";

absl::Status CheckTarget(const BackupRoom& room, const v1::RestoreBackupRequest& request,
                         const block::ImageName& target) {
  if (!request.in_place() && !request.target().has_volume_id()) {
    return InvalidField("target", "must be a volume: VMs' disks are restored in place only");
  }
  const absl::StatusOr<block::ImageInfo> info = room.block.GetImage(target);
  if (!request.in_place()) {
    if (ErrorReason(info.status()) == "IMAGE_NOT_FOUND") return absl::OkStatus();
    RETURN_IF_ERROR(info.status());
    return Error(absl::StatusCode::kAlreadyExists, "VOLUME_EXISTS",
                 absl::StrCat("image ", target.ToString(),
                              " exists: choose another id, or restore in place, by which what it ",
                              "holds is lost"));
  }
  RETURN_IF_ERROR(info.status());
  ASSIGN_OR_RETURN(const std::vector<std::string> watchers, room.block.ListWatchers(target));
  return watchers.empty() ? absl::OkStatus() : block::ImageInUse(target, watchers);
}

// Writes to a disk that exists only what differs from the restore point.
class Differ {
 public:
  // Both outlive it.
  Differ(block::ImageReader& target, block::ImageWriter& writer)
      : target_(target), writer_(writer) {}

  absl::Status ReadPart(RestorePoint& point, uint64_t number, JobGate& gate) {
    ByteSet same_as_point;
    RETURN_IF_ERROR(
        point.ReadPart(number, gate, [&](uint64_t offset_bytes, const std::string& data) {
          same_as_point.Add({offset_bytes, offset_bytes + data.size()});
          return WriteDifferences(offset_bytes, data);
        }));
    return ClearTheRest(number, same_as_point, gate);
  }

  // Zeros what lies behind `from_bytes`.
  absl::Status ClearPart(uint64_t number, JobGate& gate) { return ClearTheRest(number, {}, gate); }

 private:
  absl::Status WriteDifferences(uint64_t offset_bytes, absl::string_view wanted) {
    std::string had;
    if (offset_bytes < target_.size().count()) {
      const uint64_t length =
          std::min<uint64_t>(wanted.size(), target_.size().count() - offset_bytes);
      ASSIGN_OR_RETURN(had, ReadNow(target_, offset_bytes, length));
    }
    had.resize(wanted.size());
    for (size_t at = 0; at < wanted.size();) {
      const auto differs = [&](size_t grain) {
        return absl::string_view(had).substr(grain, kGrainBytes) !=
               wanted.substr(grain, kGrainBytes);
      };
      const size_t begin = at;
      while (at < wanted.size() && differs(at)) at += kGrainBytes;
      if (at > begin) {
        RETURN_IF_ERROR(WriteRun(offset_bytes + begin, wanted.substr(begin, at - begin)));
      } else {
        at += kGrainBytes;
      }
    }
    return absl::OkStatus();
  }

  absl::Status WriteRun(uint64_t offset_bytes, absl::string_view data) {
    if (IsZeros(data)) return writer_.WriteZeros(offset_bytes, data.size());
    return writer_.Write(offset_bytes, std::string(data));
  }

  // What the disk has where the restore point has nothing.
  absl::Status ClearTheRest(uint64_t number, const ByteSet& kept, JobGate& gate) {
    DiffAhead written(target_, "", number * kPartBytes, (number + 1) * kPartBytes);
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<std::vector<block::Extent>> extents, written.Next());
      if (!extents.has_value()) return absl::OkStatus();
      for (const block::Extent& extent : *extents) {
        if (!extent.has_data) continue;
        for (const ByteSet::Interval& rest :
             kept.Missing({extent.offset_bytes, extent.end_bytes()})) {
          RETURN_IF_ERROR(gate.Pass(0));
          RETURN_IF_ERROR(writer_.WriteZeros(rest.begin, rest.end - rest.begin));
        }
      }
    }
  }

  block::ImageReader& target_;
  block::ImageWriter& writer_;
};

class Restoration {
 public:
  Restoration(const BackupRoom& room, operations::RunningOperation& operation,
              v1::RestoreBackupRequest request, block::ImageName target)
      : room_(room),
        operation_(operation),
        request_(std::move(request)),
        target_(std::move(target)),
        staged_{target_.pool, "",
                absl::StrCat(operations::kStagedRestorePrefix,
                             operations::OperationTag{operation.id(), room.node_name}.ToString())},
        gate_(&operation, room.clock, room.RateOf(request_.max_bytes_per_s())) {}

  absl::Status Run() {
    if (request_.in_place()) return InPlace();
    ASSIGN_OR_RETURN(const bool is_done, IsDone());
    if (is_done) return absl::OkStatus();
    const absl::Status made = New();
    if (made.ok() || operations::IsOpen(made)) return made;
    const absl::Status removed = RemoveImageIfThere(room_, staged_);
    if (removed.ok()) return made;
    return absl::UnavailableError(
        absl::StrCat(made.message(), "; to be undone yet: ", removed.message()));
  }

 private:
  // Whether the volume got its name before this call.
  absl::StatusOr<bool> IsDone() {
    const absl::StatusOr<block::ImageInfo> info = room_.block.GetImage(target_);
    if (ErrorReason(info.status()) == "IMAGE_NOT_FOUND") return false;
    RETURN_IF_ERROR(info.status());
    const auto mark = info->metadata.find(kRestoreKey);
    return mark != info->metadata.end() && mark->second == operation_.id();
  }

  absl::Status Open() {
    RETURN_IF_ERROR(operation_.CheckGoesOn());
    RETURN_IF_ERROR(CheckTarget(room_, request_, target_));
    ASSIGN_OR_RETURN(point_, RestorePoint::Open(room_, request_.id()));
    operation_.SetTotal(point_->size().count());
    return absl::OkStatus();
  }

  absl::Status New() {
    RETURN_IF_ERROR(Open());
    const absl::Status made =
        room_.block.CreateImage(staged_, point_->size(), point_->object_size());
    if (!made.ok() && ErrorReason(made) != "IMAGE_EXISTS") return made;
    {
      ASSIGN_OR_RETURN(const std::unique_ptr<block::ImageWriter> writer,
                       room_.block.OpenWriter(staged_));
      for (uint64_t number = 0; number < PartCount(point_->size()); ++number) {
        RETURN_IF_ERROR(
            point_->ReadPart(number, gate_, [&](uint64_t offset_bytes, const std::string& data) {
              operation_.SetProgress(offset_bytes);
              return writer->Write(offset_bytes, data);
            }));
      }
      RETURN_IF_ERROR(writer->Finish());
    }
    operation_.SetProgress(point_->size().count());
    RETURN_IF_ERROR(room_.block.AmendImage(
        staged_,
        {.grow_to = std::nullopt,
         .metadata = {
             {kRestoreKey, operation_.id()},
             {operations::kVolumeKey, std::string(absl::StripPrefix(target_.name, "volume-"))},
             {operations::kVolumeSourceKey, absl::StrCat("backup/", request_.id())}}}));
    return room_.block.RenameImage(staged_, target_.name);
  }

  absl::Status InPlace() {
    RETURN_IF_ERROR(Open());
    ASSIGN_OR_RETURN(const std::unique_ptr<block::ImageReader> before,
                     room_.block.OpenReader(target_, ""));
    ASSIGN_OR_RETURN(const std::unique_ptr<block::ImageWriter> writer,
                     room_.block.OpenWriter(target_));
    if (before->size() < point_->size()) RETURN_IF_ERROR(writer->Resize(point_->size()));
    Differ differ(*before, *writer);
    const uint64_t parts = std::max(PartCount(point_->size()), PartCount(before->size()));
    for (uint64_t number = 0; number < parts; ++number) {
      operation_.SetProgress(std::min(number * kPartBytes, point_->size().count()));
      if (number < PartCount(point_->size())) {
        RETURN_IF_ERROR(differ.ReadPart(*point_, number, gate_));
      } else {
        RETURN_IF_ERROR(differ.ClearPart(number, gate_));
      }
    }
    operation_.SetProgress(point_->size().count());
    return writer->Finish();
  }

  const BackupRoom& room_;
  operations::RunningOperation& operation_;
  const v1::RestoreBackupRequest request_;
  const block::ImageName target_;
  const block::ImageName staged_;
  JobGate gate_;
  std::unique_ptr<RestorePoint> point_;
};

}  // namespace

absl::Status CheckRestore(const BackupRoom& room, const v1::RestoreBackupRequest& request) {
  ASSIGN_OR_RETURN(const block::ImageName target, ImageOf(request.target(), room.pools, "target"));
  ASSIGN_OR_RETURN(const v1::Backup backup, room.catalog.Get(request.id()));
  RETURN_IF_ERROR(CheckBase(room, backup));
  return CheckTarget(room, request, target);
}

absl::StatusOr<operations::OperationResult> RestoreBackup(const BackupRoom& room,
                                                          operations::VolumeCatalog& volumes,
                                                          operations::RunningOperation& operation) {
  v1::RestoreBackupRequest request;
  if (!operation.begun().request().UnpackTo(&request)) {
    return absl::InternalError("the journalled request is not a RestoreBackupRequest");
  }
  ASSIGN_OR_RETURN(block::ImageName target, ImageOf(request.target(), room.pools, "target"));
  {
    const KeyedLock<std::string> lock(room.sources, target.ToString());
    RETURN_IF_ERROR(Restoration(room, operation, request, target).Run());
  }
  if (!request.target().has_volume_id()) return operations::OperationResult();
  ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse(request.target().volume_id()));
  ASSIGN_OR_RETURN(v1::Volume volume, volumes.Get(id));
  return operations::OperationResult(std::move(volume));
}

}  // namespace hvagent::backup
