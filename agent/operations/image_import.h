// Imports one raw image from a stream of chunks.
//
// Everything is written to a staged image, `hvagent-import-<operation id>`; only when it is whole,
// checked, snapshotted and protected is it renamed to its id. So an image with a proper name is
// always complete, and what a crash leaves is found by the operation's id (Settle).
#ifndef HVAGENT_AGENT_OPERATIONS_IMAGE_IMPORT_H_
#define HVAGENT_AGENT_OPERATIONS_IMAGE_IMPORT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/operation_table.h"
#include "agent/operations/sha256.h"
#include "hvagent/v1/image.pb.h"
#include "hvagent/v1/image_service.pb.h"

namespace hvagent::operations {

class ImageImport {
 public:
  // Checks the header and begins an operation. `catalog` and `table` outlive the import.
  // Blocks on Ceph. Errors: INVALID_ARGUMENT (header.id, header.size_bytes, header.sha256),
  // ALREADY_EXISTS (IMAGE_EXISTS) when the image is there and cannot be what this would import.
  static absl::StatusOr<std::unique_ptr<ImageImport>> Begin(
      const v1::ImportImageRequest::Header& header, ImageCatalog& catalog, OperationTable& table);

  // An import that was not finished is undone as cancelled.
  ~ImageImport();

  const std::string& operation_id() const { return operation_->id(); }
  RunningOperation& operation() { return *operation_; }

  // Takes the next bytes. Runs of zeros are not written. Blocks while too much is in flight.
  // Errors: INVALID_ARGUMENT (more than size_bytes came), CANCELLED, or of Ceph; then Abort.
  absl::Status Write(absl::string_view chunk);

  // The client says that it has sent everything, `total_bytes` in all. Where the header promised no
  // size, only this tells a whole stream from one that was cut.
  // Errors: INVALID_ARGUMENT (total_bytes: other than what came); then Abort.
  absl::Status SetTotal(uint64_t total_bytes);

  // The stream has ended: checks size and digest, makes the image and ends the operation.
  // Errors: INVALID_ARGUMENT (TRUNCATED_STREAM, DIGEST_MISMATCH, or a size that is no disk's),
  // ALREADY_EXISTS (IMAGE_EXISTS, with other content), or of Ceph. Nothing is left behind then.
  absl::StatusOr<v1::Image> Finish();

  // Undoes everything and ends the operation with `reason`.
  void Abort(const absl::Status& reason);

  // Ends an import that lost its client, as a job: its image, if the renaming, which is its last
  // step, had its effect; else ABORTED (CUT_OFF), and what it had staged is removed. Blocks.
  static absl::StatusOr<OperationResult> SettleCutOff(ImageCatalog& catalog,
                                                      RunningOperation& operation);

 private:
  ImageImport(const v1::ImportImageRequest::Header& header, ImageCatalog& catalog,
              std::shared_ptr<RunningOperation> operation);

  // What the import came to, as SettleCutOff. Idempotent.
  static absl::StatusOr<std::optional<v1::Image>> Settle(ImageCatalog& catalog,
                                                         const std::string& operation_id,
                                                         const std::string& image_id);
  absl::Status OpenStaged();
  absl::Status WriteData(absl::string_view chunk);
  absl::Status GrowFor(uint64_t end_bytes);
  absl::StatusOr<v1::Image> Complete();
  // Ends the operation with `reason` once all is undone, or with the image if it is there after
  // all; returns what it ended with.
  absl::StatusOr<v1::Image> Undo(const absl::Status& reason);

  const v1::ImportImageRequest::Header header_;
  ImageCatalog& catalog_;
  const std::shared_ptr<RunningOperation> operation_;
  const block::ImageName staged_;
  // Not set while the image exists already: the stream is then only hashed, and compared.
  std::unique_ptr<block::ImageWriter> writer_;
  Sha256 hash_;
  uint64_t received_bytes_ = 0;
  bool has_total_ = false;
  Bytes staged_size_;
  bool ended_ = false;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_IMAGE_IMPORT_H_
