// Imports an image from a file on this node, as a job: it needs no client, and is called again from
// the top after whatever cut it off.
#ifndef HVAGENT_AGENT_OPERATIONS_IMAGE_FILE_IMPORT_H_
#define HVAGENT_AGENT_OPERATIONS_IMAGE_FILE_IMPORT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/import_options.h"
#include "agent/operations/running_operation.h"
#include "hvagent/v1/image_service.pb.h"

namespace hvagent::operations {

// What can be said of the request alone, before it becomes an operation.
// Errors: INVALID_ARGUMENT (id, path, sha256).
absl::Status CheckImportFile(const v1::ImportImageFileRequest& request);

// The job; `operation`'s request is a v1::ImportImageFileRequest. Errors: as
// ImageService.ImportFile says. Nothing is left behind then, but with UNAVAILABLE and
// DEADLINE_EXCEEDED, after which it is to be called again. Blocks.
absl::StatusOr<OperationResult> ImportImageFile(ImageCatalog& catalog, const ImportOptions& options,
                                                RunningOperation& operation);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_IMAGE_FILE_IMPORT_H_
