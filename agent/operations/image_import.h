// Imports one image from a stream of chunks: raw ones are written as they come, a qcow2 file is
// kept on the node until it is whole (SpoolFile), and then read. Either into a StagedImage.
#ifndef HVAGENT_AGENT_OPERATIONS_IMAGE_IMPORT_H_
#define HVAGENT_AGENT_OPERATIONS_IMAGE_IMPORT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/imports/spool_file.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/import_options.h"
#include "agent/operations/operation_table.h"
#include "agent/operations/sha256.h"
#include "agent/operations/staged_image.h"
#include "hvagent/v1/image.pb.h"
#include "hvagent/v1/image_service.pb.h"

namespace hvagent::operations {

class ImageImport {
 public:
  // Checks the header and begins an operation. All outlive the import. Blocks on Ceph.
  // Errors: INVALID_ARGUMENT (header.id, header.size_bytes, header.sha256), ALREADY_EXISTS
  // (IMAGE_EXISTS) when the image is there and cannot be what this would import,
  // RESOURCE_EXHAUSTED (SPOOL_FULL).
  static absl::StatusOr<std::unique_ptr<ImageImport>> Begin(
      const v1::ImportImageRequest::Header& header, const ImportOptions& options,
      ImageCatalog& catalog, OperationTable& table);

  // An import that was not finished is undone as cancelled.
  ~ImageImport();

  const std::string& operation_id() const { return operation_->id(); }
  RunningOperation& operation() { return *operation_; }

  // Whether Finish has yet to read the whole file, which takes its time.
  bool reads_at_finish() const { return spool_.has_value(); }

  // Takes the next bytes. Runs of zeros are not written. Blocks while too much is in flight.
  // Errors: INVALID_ARGUMENT (more than size_bytes came), CANCELLED, or of Ceph; then Abort.
  absl::Status Write(absl::string_view chunk);

  // The client says that it has sent everything, `total_bytes` in all. Where the header promised no
  // size, only this tells a whole stream from one that was cut.
  // Errors: INVALID_ARGUMENT (total_bytes: other than what came); then Abort.
  absl::Status SetTotal(uint64_t total_bytes);

  // The stream has ended: checks size and digest, makes the image and ends the operation.
  // `goes_on` is asked meanwhile; what it says ends the import.
  // Errors: INVALID_ARGUMENT (TRUNCATED_STREAM, DIGEST_MISMATCH, or a size that is no disk's; of a
  // qcow2 file those of CopyQcow2), ALREADY_EXISTS (IMAGE_EXISTS, with other content), or of Ceph.
  // Nothing is left behind then.
  absl::StatusOr<v1::Image> Finish(const imports::GoesOn& goes_on);

  // Undoes everything and ends the operation with `reason`.
  void Abort(const absl::Status& reason);

  // Ends an import that lost its client, as a job: its image, if the renaming, which is its last
  // step, had its effect; else ABORTED (CUT_OFF), and what it had staged is removed. Blocks.
  static absl::StatusOr<OperationResult> SettleCutOff(ImageCatalog& catalog,
                                                      RunningOperation& operation);

 private:
  ImageImport(const v1::ImportImageRequest::Header& header, const ImportOptions& options,
              ImageCatalog& catalog, std::shared_ptr<RunningOperation> operation,
              std::optional<v1::Image> existing);

  absl::Status Prepare();
  // Hands `piece_` to `staged_`.
  absl::Status WritePiece();
  absl::Status GrowFor(uint64_t end_bytes);
  absl::Status CheckWhole() const;
  absl::StatusOr<v1::Image> Complete(const imports::GoesOn& goes_on);
  // Ends the operation with `reason` once all is undone, or with the image if it is there after
  // all; returns what it ended with.
  absl::StatusOr<v1::Image> Undo(const absl::Status& reason);

  const v1::ImportImageRequest::Header header_;
  const ImportOptions& options_;
  ImageCatalog& catalog_;
  const std::shared_ptr<RunningOperation> operation_;
  // The stream is then only compared with it.
  const std::optional<v1::Image> existing_;
  StagedImage staged_;
  std::string piece_;                        // of a raw stream, the next to be written
  std::optional<imports::SpoolFile> spool_;  // of a qcow2 stream that has to be read
  Sha256 hash_;
  uint64_t received_bytes_ = 0;
  uint64_t written_bytes_ = 0;
  bool has_total_ = false;
  bool ended_ = false;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_IMAGE_IMPORT_H_
