// Deletes an image that has clones: by flattening them first, or by way of the trash.
#ifndef HVAGENT_AGENT_OPERATIONS_IMAGE_DELETE_H_
#define HVAGENT_AGENT_OPERATIONS_IMAGE_DELETE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/running_operation.h"

namespace hvagent::operations {

// The job of IMAGE_DELETE, as ImageService.DeleteFlattened. Blocks on Ceph.
absl::StatusOr<OperationResult> DeleteFlattenedImage(ImageCatalog& images,
                                                     RunningOperation& operation);

// Puts the image into the trash for at least `delay`; its clones live on. Idempotent while it is
// not there yet. Blocks on Ceph.
// Errors: those of ImageCatalog::Delete, where IMAGE_HAS_CHILDREN means clones of format 1.
absl::Status MoveImageToTrash(ImageCatalog& images, absl::string_view id, absl::Duration delay);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_IMAGE_DELETE_H_
