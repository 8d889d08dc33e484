#include "agent/operations/image_catalog.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "agent/block/block_error.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::operations {
namespace {

v1::Image ToProto(const block::ImageName& name, const block::ImageInfo& info) {
  v1::Image image;
  image.set_id(name.name);
  image.set_pool(name.pool);
  image.set_size_bytes(info.size.count());
  image.set_object_size_bytes(info.object_size.count());
  image.set_ready(std::any_of(
      info.snapshots.begin(), info.snapshots.end(),
      [](const block::SnapshotInfo& s) { return s.name == kGoldenSnapshot && s.is_protected; }));
  const auto value = [&](const char* key) {
    const auto it = info.metadata.find(key);
    return it == info.metadata.end() ? "" : it->second;
  };
  image.set_sha256(value(kSha256Key));
  image.set_disk_digest(value(kDiskDigestKey));
  if (!image.sha256().empty() || !image.disk_digest().empty()) {
    image.set_source_format(value(kFormatKey) == kFormatQcow2 ? v1::Image::QCOW2 : v1::Image::RAW);
  }
  *image.mutable_create_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(info.create_time));
  return image;
}

}  // namespace

absl::Status CheckImageId(absl::string_view field, absl::string_view id) {
  if (absl::Status status = CheckRbdName(id); !status.ok()) {
    return InvalidField(field, status.message());
  }
  if (absl::StartsWith(id, kStagedPrefix)) {
    return InvalidField(field,
                        "names that begin with \"hvagent-import-\" are kept for imports "
                        "under way");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Image> ImageCatalog::Get(absl::string_view id) {
  RETURN_IF_ERROR(CheckImageId("id", id));
  const block::ImageName name = NameOf(id);
  ASSIGN_OR_RETURN(const block::ImageInfo info, block_.GetImage(name));
  return ToProto(name, info);
}

absl::StatusOr<std::optional<v1::Image>> ImageCatalog::FindMadeBy(absl::string_view operation_id,
                                                                  absl::string_view id) {
  const block::ImageName name = NameOf(id);
  const absl::StatusOr<block::ImageInfo> info = block_.GetImage(name);
  if (absl::IsNotFound(info.status())) return std::nullopt;
  RETURN_IF_ERROR(info.status());
  const auto maker = info->metadata.find(kOperationKey);
  if (maker == info->metadata.end() || maker->second != operation_id) return std::nullopt;
  return ToProto(name, *info);
}

absl::Status ImageCatalog::RemoveStaged(absl::string_view operation_id) {
  const block::ImageName staged = StagedNameOf(operation_id);
  absl::Status status = block_.RemoveSnapshot({staged, kGoldenSnapshot});
  // Only the image itself is believed to be gone, by who would remove it: anything else that Ceph
  // may not have found would leave it for good.
  if (status.ok() || absl::IsNotFound(status)) status = block_.RemoveImage(staged);
  return ErrorReason(status) == "IMAGE_NOT_FOUND" ? absl::OkStatus() : status;
}

absl::StatusOr<std::vector<v1::Image>> ImageCatalog::List(absl::string_view after, size_t limit) {
  std::vector<v1::Image> images;
  std::string last(after);
  while (images.size() < limit) {
    const size_t wanted = limit - images.size();
    ASSIGN_OR_RETURN(const std::vector<std::string> names, block_.ListImages(pool_, last, wanted));
    for (const std::string& id : names) {
      if (absl::StartsWith(id, kStagedPrefix)) continue;
      const auto info = block_.GetImage(NameOf(id));
      if (absl::IsNotFound(info.status())) continue;  // Removed since it was listed.
      if (!info.ok()) return info.status();
      images.push_back(ToProto(NameOf(id), *info));
    }
    if (names.size() < wanted) break;
    last = names.back();
  }
  return images;
}

absl::Status ImageCatalog::Delete(absl::string_view id) {
  RETURN_IF_ERROR(CheckImageId("id", id));
  const block::ImageName name = NameOf(id);
  const block::SnapshotName golden = {name, kGoldenSnapshot};
  RETURN_IF_ERROR(CheckRemovable(id));
  RETURN_IF_ERROR(block_.RemoveSnapshot(golden));
  const absl::Status removed = block_.RemoveImage(name);
  // Somebody opened it, or made a snapshot of it, since that look.
  if (absl::IsFailedPrecondition(removed)) RETURN_IF_ERROR(block_.CreateProtectedSnapshot(golden));
  return removed;
}

absl::Status ImageCatalog::CheckDelete(absl::string_view id) {
  RETURN_IF_ERROR(CheckRemovable(id));
  const block::SnapshotName golden = {NameOf(id), kGoldenSnapshot};
  const auto children = block_.ListChildren(golden);
  if (ErrorReason(children.status()) == "SNAPSHOT_NOT_FOUND") return absl::OkStatus();
  RETURN_IF_ERROR(children.status());
  return children->empty() ? absl::OkStatus() : block::ImageHasChildren(golden, *children);
}

// RBD finds what is in the way of an image's removal only when the golden snapshot is gone already.
absl::Status ImageCatalog::CheckRemovable(absl::string_view id) {
  RETURN_IF_ERROR(CheckImageId("id", id));
  const block::ImageName name = NameOf(id);
  ASSIGN_OR_RETURN(const block::ImageInfo info, block_.GetImage(name));
  std::vector<std::string> others;
  for (const block::SnapshotInfo& snapshot : info.snapshots) {
    if (snapshot.name != kGoldenSnapshot) others.push_back(snapshot.name);
  }
  if (!others.empty()) return block::ImageHasSnapshots(name, others);
  ASSIGN_OR_RETURN(const std::vector<std::string> watchers, block_.ListWatchers(name));
  if (!watchers.empty()) return block::ImageInUse(name, watchers);
  return absl::OkStatus();
}

}  // namespace hvagent::operations
