#include "agent/operations/volume_catalog.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/block/block_error.h"
#include "agent/operations/volume_names.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::operations {
namespace {

constexpr uint32_t kMaxSizeGib = 65536;

// "backup.<backup id>.snap.<unix time>", as cinder-backup's are.
bool IsBackupSnapshot(absl::string_view name) {
  return absl::StartsWith(name, "backup.") && absl::StrContains(name, ".snap.");
}

}  // namespace

absl::Status CheckSizeGib(uint32_t size_gib) {
  if (size_gib >= 1 && size_gib <= kMaxSizeGib) return absl::OkStatus();
  return InvalidField("size_gib",
                      absl::StrCat("is ", size_gib, ", but must be 1 to ", kMaxSizeGib));
}

bool IsMarked(const Uuid& id, const block::ImageInfo& info) {
  const auto mark = info.metadata.find(kVolumeKey);
  return mark != info.metadata.end() && mark->second == id.ToString();
}

block::ImageName VolumeCatalog::NameOf(const Uuid& id) const { return {pool_, "", VolumeName(id)}; }

block::SnapshotName VolumeCatalog::SnapshotNameOf(const Uuid& volume, const Uuid& snapshot) const {
  return {NameOf(volume), VolumeSnapshotName(snapshot)};
}

v1::Volume VolumeCatalog::ToProto(const Uuid& id, const block::ImageInfo& info) const {
  v1::Volume volume;
  volume.set_id(id.ToString());
  volume.set_pool(pool_);
  volume.set_name(VolumeName(id));
  volume.set_size_bytes(info.size.count());
  volume.set_object_size_bytes(info.object_size.count());
  if (info.parent.has_value()) volume.set_parent(info.parent->ToString());
  if (const auto source = info.metadata.find(kVolumeSourceKey);
      IsMarked(id, info) && source != info.metadata.end()) {
    volume.set_made_from(source->second);
  }
  volume.set_snapshot_count(static_cast<int32_t>(info.snapshots.size()));
  *volume.mutable_create_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(info.create_time));
  return volume;
}

absl::StatusOr<v1::VolumeSnapshot> VolumeCatalog::ToProto(const Uuid& volume,
                                                          const block::SnapshotInfo& snapshot) {
  v1::VolumeSnapshot result;
  result.set_volume_id(volume.ToString());
  if (const auto id = VolumeSnapshotIdOf(snapshot.name)) result.set_id(id->ToString());
  result.set_name(snapshot.name);
  result.set_size_bytes(snapshot.size.count());
  result.set_protected_(snapshot.is_protected);
  ASSIGN_OR_RETURN(const std::vector<block::Child> clones,
                   block_.ListChildren({NameOf(volume), snapshot.name}));
  for (const block::Child& clone : clones) result.add_clones(clone.ToString());
  return result;
}

absl::StatusOr<block::ImageInfo> VolumeCatalog::Find(const Uuid& id) {
  auto info = block_.GetImage(NameOf(id));
  if (ErrorReason(info.status()) == "IMAGE_NOT_FOUND") {
    return Error(absl::StatusCode::kNotFound, "VOLUME_NOT_FOUND",
                 absl::StrCat("volume ", id.ToString(), " does not exist: there is no image ",
                              NameOf(id).ToString()));
  }
  return info;
}

absl::StatusOr<v1::Volume> VolumeCatalog::Get(const Uuid& id) {
  ASSIGN_OR_RETURN(const block::ImageInfo info, Find(id));
  return ToProto(id, info);
}

absl::StatusOr<std::vector<v1::Volume>> VolumeCatalog::List(absl::string_view after, size_t limit) {
  std::vector<v1::Volume> volumes;
  // Just before the first name that a volume can have.
  std::string last = "volume-";
  if (!after.empty()) {
    ASSIGN_OR_RETURN(const Uuid id, ParseId("page_token", after));
    last = VolumeName(id);
  }
  while (volumes.size() < limit) {
    const size_t wanted = limit - volumes.size();
    ASSIGN_OR_RETURN(const std::vector<std::string> names, block_.ListImages(pool_, last, wanted));
    for (const std::string& name : names) {
      const std::optional<Uuid> id = VolumeIdOf(name);
      if (!id.has_value()) continue;
      const auto info = block_.GetImage(NameOf(*id));
      if (absl::IsNotFound(info.status())) continue;  // Removed since it was listed.
      if (!info.ok()) return info.status();
      volumes.push_back(ToProto(*id, *info));
    }
    if (names.size() < wanted) break;
    last = names.back();
  }
  return volumes;
}

absl::StatusOr<v1::Volume> VolumeCatalog::Resize(const Uuid& id, uint32_t size_gib, bool dry_run) {
  RETURN_IF_ERROR(CheckSizeGib(size_gib));
  ASSIGN_OR_RETURN(block::ImageInfo info, Find(id));
  if (GiB(size_gib) < info.size) {
    return Error(
        absl::StatusCode::kFailedPrecondition, "VOLUME_WOULD_SHRINK",
        absl::StrCat("volume ", id.ToString(), " has ", info.size.count(), " bytes, more than ",
                     size_gib, " GiB: volumes only grow, since a smaller one loses data"));
  }
  if (!dry_run) RETURN_IF_ERROR(block_.AmendImage(NameOf(id), {GiB(size_gib), {}}));
  info.size = GiB(size_gib);
  return ToProto(id, info);
}

absl::Status VolumeCatalog::CheckSnapshots(const Uuid& id, const block::ImageInfo& info) {
  std::vector<std::string> in_the_way;
  for (const block::SnapshotInfo& snapshot : info.snapshots) {
    ASSIGN_OR_RETURN(const std::vector<block::Child> clones,
                     block_.ListChildren({NameOf(id), snapshot.name}));
    if (!clones.empty()) {
      in_the_way.push_back(
          absl::StrCat(snapshot.name, " (cloned to ", block::FirstOf(clones), ")"));
    } else if (!IsCloneSnapshot(snapshot.name) && !IsBackupSnapshot(snapshot.name)) {
      in_the_way.push_back(snapshot.name);
    }
  }
  if (in_the_way.empty()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "VOLUME_HAS_SNAPSHOTS",
      absl::StrCat("volume ", id.ToString(), " has snapshots: ", block::FirstOf(in_the_way),
                   "; delete or flatten the clones, then delete the snapshots, then the "
                   "volume"));
}

absl::Status VolumeCatalog::CheckDelete(const Uuid& id) {
  ASSIGN_OR_RETURN(const block::ImageInfo info, Find(id));
  RETURN_IF_ERROR(CheckSnapshots(id, info));
  ASSIGN_OR_RETURN(const std::vector<std::string> watchers, block_.ListWatchers(NameOf(id)));
  return watchers.empty() ? absl::OkStatus() : block::ImageInUse(NameOf(id), watchers);
}

absl::Status VolumeCatalog::Delete(const Uuid& id) {
  ASSIGN_OR_RETURN(const block::ImageInfo info, Find(id));
  RETURN_IF_ERROR(CheckSnapshots(id, info));
  // What is left are snapshots for clones that are gone, or were never made, and that by which the
  // next backup would have told what changed.
  for (const block::SnapshotInfo& snapshot : info.snapshots) {
    RETURN_IF_ERROR(block_.RemoveSnapshot({NameOf(id), snapshot.name}));
  }
  RETURN_IF_ERROR(block_.RemoveImage(NameOf(id)));
  if (info.parent.has_value()) ReleaseSource(id, *info.parent);
  return absl::OkStatus();
}

void VolumeCatalog::ReleaseSource(const Uuid& id, const block::SnapshotName& source) {
  if (source.snapshot != CloneSnapshotName(id)) return;
  absl::Status removed = block_.RemoveSnapshot(source);
  if (removed.ok()) {
    if (const std::optional<Uuid> deleted = DeletedVolumeIdOf(source.image.name)) {
      const auto info = block_.GetImage(source.image);
      removed = info.status();
      if (info.ok() && info->snapshots.empty()) {
        removed = block_.RemoveImage(source.image);
        // It was a clone itself, maybe.
        if (removed.ok() && info->parent.has_value()) ReleaseSource(*deleted, *info->parent);
      }
    }
  }
  LOG_IF(WARNING, !removed.ok() && !absl::IsNotFound(removed))
      << "volume " << id.ToString() << " needs " << source.ToString()
      << ", from which it was cloned, no more, but it cannot be removed: " << removed;
}

absl::StatusOr<v1::VolumeSnapshot> VolumeCatalog::CreateSnapshot(const Uuid& volume,
                                                                 const Uuid& snapshot) {
  RETURN_IF_ERROR(Find(volume).status());
  const block::SnapshotName name = SnapshotNameOf(volume, snapshot);
  RETURN_IF_ERROR(block_.CreateProtectedSnapshot(name));
  ASSIGN_OR_RETURN(const block::SnapshotInfo made, block_.GetSnapshot(name));
  return ToProto(volume, made);
}

absl::StatusOr<std::vector<v1::VolumeSnapshot>> VolumeCatalog::ListSnapshots(const Uuid& volume,
                                                                             bool with_usage) {
  ASSIGN_OR_RETURN(const block::ImageInfo info, Find(volume));
  std::vector<v1::VolumeSnapshot> snapshots;
  for (const block::SnapshotInfo& snapshot : info.snapshots) {
    auto shown = ToProto(volume, snapshot);
    if (absl::IsNotFound(shown.status())) continue;  // Removed since it was listed.
    if (!shown.ok()) return shown.status();
    if (with_usage) {
      ASSIGN_OR_RETURN(const Bytes used, block_.MeasureSnapshot({NameOf(volume), snapshot.name}));
      shown->set_used_bytes(used.count());
    }
    snapshots.push_back(*std::move(shown));
  }
  return snapshots;
}

absl::Status VolumeCatalog::DeleteSnapshot(const Uuid& volume, const Uuid& snapshot) {
  RETURN_IF_ERROR(Find(volume).status());
  const block::SnapshotName name = SnapshotNameOf(volume, snapshot);
  RETURN_IF_ERROR(block_.GetSnapshot(name).status());
  return block_.RemoveSnapshot(name);
}

absl::Status VolumeCatalog::CheckDeleteSnapshot(const Uuid& volume, const Uuid& snapshot) {
  RETURN_IF_ERROR(Find(volume).status());
  const block::SnapshotName name = SnapshotNameOf(volume, snapshot);
  ASSIGN_OR_RETURN(const std::vector<block::Child> clones, block_.ListChildren(name));
  return clones.empty() ? absl::OkStatus() : block::ImageHasChildren(name, clones);
}

}  // namespace hvagent::operations
