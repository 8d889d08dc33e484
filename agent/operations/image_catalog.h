// The golden images of one pool: what is there, whether VMs can be cloned from it, what it is.
// Thread-safe; blocks on Ceph.
#ifndef HVAGENT_AGENT_OPERATIONS_IMAGE_CATALOG_H_
#define HVAGENT_AGENT_OPERATIONS_IMAGE_CATALOG_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "agent/operations/operation_tag.h"
#include "hvagent/v1/image.pb.h"

namespace hvagent::operations {

// The snapshot that VMs are cloned from, as Glance names it.
inline constexpr char kGoldenSnapshot[] = "snap";
// The metadata keys of the imported file's sha256, where it is known, and of the disk's DiskDigest.
inline constexpr char kSha256Key[] = "hvagent.sha256";
inline constexpr char kDiskDigestKey[] = "hvagent.disk-digest";
// The metadata key of the imported file's format, where it is not raw: "qcow2".
inline constexpr char kFormatKey[] = "hvagent.format";
inline constexpr char kFormatQcow2[] = "qcow2";
// The metadata key of the operation that made it.
inline constexpr char kOperationKey[] = "hvagent.operation";
// Before a staged image's OperationTag; such images are not listed.
inline constexpr char kStagedPrefix[] = "hvagent-import-";

class ImageCatalog {
 public:
  // `block` outlives the catalog. `node` is this one, whose operations stage images.
  ImageCatalog(block::BlockStore& block, std::string pool, std::string node)
      : block_(block), pool_(std::move(pool)), node_(std::move(node)) {}

  block::BlockStore& block() { return block_; }
  block::ImageName NameOf(absl::string_view id) const { return {pool_, "", std::string(id)}; }
  OperationTag TagOf(absl::string_view operation_id) const {
    return {std::string(operation_id), node_};
  }
  // What an import writes to until it is whole.
  block::ImageName StagedNameOf(absl::string_view operation_id) const {
    return NameOf(absl::StrCat(kStagedPrefix, TagOf(operation_id).ToString()));
  }

  // Errors: INVALID_ARGUMENT (id), NOT_FOUND (IMAGE_NOT_FOUND).
  absl::StatusOr<v1::Image> Get(absl::string_view id);

  // The image of this id, if that operation made it.
  absl::StatusOr<std::optional<v1::Image>> FindMadeBy(absl::string_view operation_id,
                                                      absl::string_view id);

  // Removes what an operation staged; nothing there is no error.
  absl::Status RemoveStaged(absl::string_view operation_id);

  // At most `limit` images whose id sorts after `after`, by id.
  absl::StatusOr<std::vector<v1::Image>> List(absl::string_view after, size_t limit);

  // Removes the golden snapshot, then the image.
  // Errors: INVALID_ARGUMENT (id), NOT_FOUND (IMAGE_NOT_FOUND), FAILED_PRECONDITION
  // (IMAGE_HAS_CHILDREN, IMAGE_HAS_SNAPSHOTS, IMAGE_IN_USE: the image is left as it was).
  absl::Status Delete(absl::string_view id);
  // What Delete asks of the image, but for its clones. As Delete.
  absl::Status CheckRemovable(absl::string_view id);
  // As Delete, without deleting anything.
  absl::Status CheckDelete(absl::string_view id);

 private:
  block::BlockStore& block_;
  const std::string pool_;
  const std::string node_;
};

// Whether `id` can be an image's name here: an RBD name that is not a staged image's.
absl::Status CheckImageId(absl::string_view field, absl::string_view id);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_IMAGE_CATALOG_H_
