#include "agent/operations/image_delete.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/block/block_error.h"
#include "agent/block/trash_mark.h"
#include "agent/operations/volume_flatten.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "hvagent/v1/image_service.pb.h"

namespace hvagent::operations {
namespace {

// Who goes on cloning an image that is to go is told by the third error.
constexpr int kRounds = 3;

absl::Status CheckNoneInTrash(const block::SnapshotName& golden,
                              const std::vector<block::Child>& children) {
  std::vector<std::string> in_trash;
  for (const block::Child& child : children) {
    if (!child.trash_id.empty()) {
      in_trash.push_back(absl::StrCat(child.ToString(), ", id ", child.trash_id));
    }
  }
  if (in_trash.empty()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "IMAGE_HAS_CHILDREN",
      absl::StrCat("snapshot ", golden.ToString(),
                   " has clones that cannot be flattened: ", block::FirstOf(in_trash),
                   "; they go when their delay is over. Restore them first (a VM's disk with "
                   "`agentctl vm undelete`), or wait"));
}

absl::Status FlattenAll(block::BlockStore& block, const std::vector<block::Child>& children,
                        RunningOperation& operation) {
  std::vector<Bytes> sizes;
  uint64_t total = 0;
  for (const block::Child& child : children) {
    const auto info = block.GetImage(child.image);
    if (!info.ok() && !absl::IsNotFound(info.status())) return info.status();
    sizes.push_back(info.ok() ? info->size : Bytes(0));
    total += sizes.back().count();
  }
  operation.SetTotal(total);
  uint64_t done = 0;
  for (size_t i = 0; i < children.size(); ++i) {
    const absl::Status flattened = FlattenAsPart(block, children[i].image, Bytes(done), operation);
    // One that is gone meanwhile needs the image no more.
    if (!flattened.ok() && ErrorReason(flattened) != "IMAGE_NOT_FOUND") return flattened;
    done += sizes[i].count();
    operation.SetProgress(done);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OperationResult> DeleteFlattenedImage(ImageCatalog& images,
                                                     RunningOperation& operation) {
  v1::DeleteFlattenedImageRequest request;
  if (!operation.begun().request().UnpackTo(&request)) {
    return absl::InternalError("the operation's request is no DeleteFlattenedImageRequest");
  }
  const block::SnapshotName golden = {images.NameOf(request.id()), kGoldenSnapshot};
  absl::Status removed;
  for (int round = 0; round < kRounds; ++round) {
    RETURN_IF_ERROR(operation.CheckGoesOn());
    const absl::Status removable = images.CheckRemovable(request.id());
    // The look before the operation began found it: this is a second call, after it went.
    if (ErrorReason(removable) == "IMAGE_NOT_FOUND") return OperationResult();
    RETURN_IF_ERROR(removable);
    const auto children = images.block().ListChildren(golden);
    if (children.ok()) {
      RETURN_IF_ERROR(CheckNoneInTrash(golden, *children));
      RETURN_IF_ERROR(FlattenAll(images.block(), *children, operation));
    } else if (ErrorReason(children.status()) != "SNAPSHOT_NOT_FOUND") {
      return children.status();
    }
    removed = images.Delete(request.id());
    if (removed.ok() || ErrorReason(removed) == "IMAGE_NOT_FOUND") return OperationResult();
    if (ErrorReason(removed) != "IMAGE_HAS_CHILDREN") break;
  }
  return removed;
}

absl::Status MoveImageToTrash(ImageCatalog& images, absl::string_view id, absl::Duration delay) {
  RETURN_IF_ERROR(CheckImageId("id", id));
  RETURN_IF_ERROR(images.CheckRemovable(id));
  const block::ImageName name = images.NameOf(id);
  const block::SnapshotName golden = {name, kGoldenSnapshot};
  block::BlockStore& block = images.block();
  RETURN_IF_ERROR(block.AmendImage(name, {std::nullopt, {{block::kTrashKey, name.name}}}));
  RETURN_IF_ERROR(block.MoveSnapshotToTrash(golden));
  const absl::Status moved = block.MoveToTrash(name, delay);
  // Somebody opened it since that look: it stays what it was.
  if (absl::IsFailedPrecondition(moved)) RETURN_IF_ERROR(block.CreateProtectedSnapshot(golden));
  return moved;
}

}  // namespace hvagent::operations
