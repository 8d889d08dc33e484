#include "agent/operations/volume_flatten.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/operations/volume_names.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "hvagent/v1/volume_service.pb.h"

namespace hvagent::operations {
namespace {

// RBD itself allows no more.
constexpr uint32_t kMaxDepth = 16;

// The snapshot that was made to clone the volume. A volume that is flat already, since this is the
// second call, tells by its mark.
std::optional<block::SnapshotName> SourceOf(const VolumeCatalog& volumes, const Uuid& id,
                                            const block::ImageInfo& info) {
  if (info.parent.has_value()) return info.parent;
  const auto source = info.metadata.find(kVolumeSourceKey);
  if (!IsMarked(id, info) || source == info.metadata.end()) return std::nullopt;
  absl::string_view text = source->second;
  if (!absl::ConsumePrefix(&text, "volume/")) return std::nullopt;
  const auto source_id = Uuid::Parse(text);
  if (!source_id.ok()) return std::nullopt;
  return block::SnapshotName{volumes.NameOf(*source_id), CloneSnapshotName(id)};
}

}  // namespace

absl::StatusOr<uint32_t> CloneDepth(block::BlockStore& block, const block::ImageName& image) {
  ASSIGN_OR_RETURN(block::ImageInfo info, block.GetImage(image));
  uint32_t depth = 0;
  while (info.parent.has_value() && depth < kMaxDepth) {
    ++depth;
    if (info.parent_in_trash) break;
    auto parent = block.GetImage(info.parent->image);
    if (absl::IsNotFound(parent.status())) break;  // Renamed, or put into the trash, just now.
    if (!parent.ok()) return parent.status();
    info = *std::move(parent);
  }
  return depth;
}

absl::Status FlattenAsPart(block::BlockStore& block, const block::ImageName& image,
                           Bytes done_before, RunningOperation& operation) {
  RETURN_IF_ERROR(operation.CheckGoesOn());
  const absl::Status flattened = block.FlattenImage(image, [&](Bytes done, Bytes) {
    operation.SetProgress(done_before.count() + done.count());
    return operation.CheckGoesOn().ok();
  });
  if (ErrorReason(flattened) == "FLATTEN_STOPPED") RETURN_IF_ERROR(operation.CheckGoesOn());
  return flattened;
}

absl::StatusOr<OperationResult> FlattenVolume(VolumeCatalog& volumes, const IsIdle& is_idle,
                                              RunningOperation& operation) {
  v1::FlattenVolumeRequest request;
  if (!operation.begun().request().UnpackTo(&request)) {
    return absl::InternalError("the operation's request is no FlattenVolumeRequest");
  }
  RETURN_IF_ERROR(operation.CheckGoesOn());
  if (request.when_idle() && !is_idle()) {
    return Error(absl::StatusCode::kUnavailable, "NODE_BUSY",
                 "the node has other work; this waits until it is idle");
  }
  ASSIGN_OR_RETURN(const Uuid id, ParseId("id", request.id()));
  ASSIGN_OR_RETURN(const block::ImageInfo info, volumes.Find(id));
  operation.SetTotal(info.size.count());
  RETURN_IF_ERROR(FlattenAsPart(volumes.block(), volumes.NameOf(id), Bytes(0), operation));
  operation.SetProgress(info.size.count());
  if (const auto source = SourceOf(volumes, id, info)) volumes.ReleaseSource(id, *source);
  ASSIGN_OR_RETURN(v1::Volume volume, volumes.Get(id));
  return volume;
}

}  // namespace hvagent::operations
