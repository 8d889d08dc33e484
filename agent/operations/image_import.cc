#include "agent/operations/image_import.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/operations/disk_copy.h"
#include "agent/operations/qcow2_import.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace hvagent::operations {
namespace {

// How far an image of unknown size grows at a time, at most.
constexpr Bytes kMaxGrowth = GiB(8);

bool IsQcow2(const v1::ImportImageRequest::Header& header) {
  return header.format() == v1::Image::QCOW2;
}

v1::Image::Format FormatOf(const v1::ImportImageRequest::Header& header) {
  return IsQcow2(header) ? v1::Image::QCOW2 : v1::Image::RAW;
}

absl::Status CheckHeader(const v1::ImportImageRequest::Header& header, Bytes max_size) {
  RETURN_IF_ERROR(CheckImageId("header.id", header.id()));
  if (!IsQcow2(header)) {
    RETURN_IF_ERROR(CheckDiskSize("header.size_bytes", header.size_bytes(), max_size));
  }
  return CheckDigest("header.sha256", header.sha256());
}

absl::Status TruncatedStream(absl::string_view id, absl::string_view how) {
  return Error(absl::StatusCode::kInvalidArgument, "TRUNCATED_STREAM",
               absl::StrCat("image ", id, ": the stream ", how));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImageImport>> ImageImport::Begin(
    const v1::ImportImageRequest::Header& header, const ImportOptions& options,
    ImageCatalog& catalog, OperationTable& table) {
  RETURN_IF_ERROR(CheckHeader(header, options.max_image_size));
  v1::Operation wish;
  wish.set_kind(v1::Operation::IMAGE_IMPORT);
  wish.set_target(header.id());
  wish.set_bytes_total(header.size_bytes());
  std::optional<v1::Image> existing;
  absl::StatusOr<v1::Image> found = catalog.Get(header.id());
  if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
  if (found.ok()) {
    RETURN_IF_ERROR(CheckMadeFrom(*found, {FormatOf(header), header.sha256(), ""}));
    existing = *std::move(found);
  }
  ASSIGN_OR_RETURN(auto operation, table.Begin(std::move(wish)));
  std::unique_ptr<ImageImport> import(
      new ImageImport(header, options, catalog, std::move(operation), std::move(existing)));
  if (absl::Status status = import->Prepare(); !status.ok()) {
    import->Abort(status);
    return status;
  }
  return import;
}

ImageImport::ImageImport(const v1::ImportImageRequest::Header& header, const ImportOptions& options,
                         ImageCatalog& catalog, std::shared_ptr<RunningOperation> operation,
                         std::optional<v1::Image> existing)
    : header_(header),
      options_(options),
      catalog_(catalog),
      operation_(std::move(operation)),
      existing_(std::move(existing)),
      staged_(
          catalog, operation_->id(), header.id(),
          existing_.has_value() ? StagedImage::Purpose::kDigest : StagedImage::Purpose::kImage) {}

ImageImport::~ImageImport() {
  if (!ended_) Abort(absl::CancelledError("the import was given up"));
}

absl::Status ImageImport::Prepare() {
  if (!IsQcow2(header_)) return staged_.Create(Bytes(header_.size_bytes()));
  // Its sha256 tells whether a file is the one that the image was made from.
  if (existing_.has_value() && !existing_->sha256().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(spool_, imports::SpoolFile::Make(options_.spool, header_.size_bytes()));
  return absl::OkStatus();
}

absl::Status ImageImport::Write(absl::string_view chunk) {
  if (operation_->cancel_requested()) {
    return absl::CancelledError("the import was cancelled");
  }
  if (has_total_) return InvalidField("chunk", "must not come after total_bytes");
  const uint64_t end_bytes = received_bytes_ + chunk.size();
  if (header_.size_bytes() != 0 && end_bytes > header_.size_bytes()) {
    return InvalidField("header.size_bytes",
                        absl::StrCat("more than the ", header_.size_bytes(),
                                     " bytes that the header promised have come"));
  }
  hash_.Update(chunk);
  received_bytes_ = end_bytes;
  if (spool_.has_value()) {
    RETURN_IF_ERROR(spool_->Append(chunk));
  } else if (!IsQcow2(header_)) {
    // Chunks are joined, so that writes are few, and of whole blocks.
    for (absl::string_view rest = chunk; !rest.empty();) {
      const absl::string_view part = rest.substr(0, kPieceBytes - piece_.size());
      piece_.append(part.data(), part.size());
      rest.remove_prefix(part.size());
      if (piece_.size() == kPieceBytes) RETURN_IF_ERROR(WritePiece());
    }
  }
  operation_->SetProgress(received_bytes_);
  return absl::OkStatus();
}

absl::Status ImageImport::WritePiece() {
  const uint64_t end_bytes = written_bytes_ + piece_.size();
  if (header_.size_bytes() == 0) RETURN_IF_ERROR(GrowFor(end_bytes));
  RETURN_IF_ERROR(staged_.Write(written_bytes_, piece_));
  written_bytes_ = end_bytes;
  piece_.clear();
  return absl::OkStatus();
}

// By doubling, so that a stream of unknown length costs few resizes; Complete cuts what is over.
absl::Status ImageImport::GrowFor(uint64_t end_bytes) {
  const uint64_t size = staged_.size().count();
  if (end_bytes <= size) return absl::OkStatus();
  const uint64_t step = std::clamp(size, MiB(64).count(), kMaxGrowth.count());
  return staged_.Resize(Bytes(std::max(end_bytes, size + step)));
}

absl::Status ImageImport::SetTotal(uint64_t total_bytes) {
  if (total_bytes != received_bytes_) {
    return InvalidField("total_bytes",
                        absl::StrCat("is ", total_bytes, ", but ", received_bytes_, " bytes came"));
  }
  has_total_ = true;
  return absl::OkStatus();
}

absl::StatusOr<v1::Image> ImageImport::Finish(const imports::GoesOn& goes_on) {
  absl::StatusOr<v1::Image> image = Complete(goes_on);
  if (!image.ok()) return Undo(image.status());
  ended_ = true;
  if (absl::Status journalled = operation_->Finish(*image); !journalled.ok()) {
    LOG(ERROR) << "import " << operation_->id() << " of image " << header_.id()
               << " succeeded, but its end could not be recorded: " << journalled;
  }
  return image;
}

absl::Status ImageImport::CheckWhole() const {
  if (received_bytes_ < header_.size_bytes()) {
    return TruncatedStream(header_.id(), absl::StrCat("ended after ", received_bytes_, " of ",
                                                      header_.size_bytes(), " bytes"));
  }
  if (header_.size_bytes() == 0 && !has_total_) {
    return TruncatedStream(header_.id(), absl::StrCat("was cut off after ", received_bytes_,
                                                      " bytes: no total_bytes came"));
  }
  if (received_bytes_ == 0) return TruncatedStream(header_.id(), "was empty");
  if (IsQcow2(header_)) return absl::OkStatus();
  return CheckDiskSize("header.size_bytes", received_bytes_, options_.max_image_size);
}

absl::StatusOr<v1::Image> ImageImport::Complete(const imports::GoesOn& goes_on) {
  RETURN_IF_ERROR(CheckWhole());
  ImageSource source = {FormatOf(header_), hash_.HexDigest(), /*disk_digest=*/""};
  RETURN_IF_ERROR(CheckDigestIs(header_.id(), source.sha256, header_.sha256()));
  if (spool_.has_value()) {
    RETURN_IF_ERROR(
        CopyQcow2(spool_->fd(), spool_->size(), options_, goes_on, *operation_, staged_));
    source.disk_digest = staged_.Digest();
  } else if (!IsQcow2(header_)) {
    RETURN_IF_ERROR(WritePiece());
    RETURN_IF_ERROR(staged_.Resize(Bytes(received_bytes_)));
    source.disk_digest = staged_.Digest();
  }
  if (!existing_.has_value()) return staged_.Publish(source);
  ASSIGN_OR_RETURN(v1::Image existing, catalog_.Get(header_.id()));
  RETURN_IF_ERROR(CheckMadeFrom(existing, source));
  return existing;
}

void ImageImport::Abort(const absl::Status& reason) {
  if (!ended_) Undo(reason).IgnoreError();
}

absl::StatusOr<v1::Image> ImageImport::Undo(const absl::Status& reason) {
  ended_ = true;
  staged_.Close();
  absl::StatusOr<std::optional<v1::Image>> outcome =
      SettleImport(catalog_, operation_->id(), header_.id());
  if (!outcome.ok()) {
    LOG(ERROR) << "import " << operation_->id() << " of image " << header_.id() << " failed ("
               << reason
               << ") and is left for later, since it could not be undone now: " << outcome.status();
    operation_->LeaveToRecovery();
    return reason;
  }
  absl::StatusOr<v1::Image> end = reason;
  if (outcome->has_value()) end = **std::move(outcome);
  const absl::Status journalled =
      end.ok() ? operation_->Finish(*end) : operation_->Finish(end.status());
  if (!journalled.ok()) {
    LOG(ERROR) << "import " << operation_->id()
               << ": its end could not be recorded: " << journalled;
  }
  return end;
}

absl::StatusOr<OperationResult> ImageImport::SettleCutOff(ImageCatalog& catalog,
                                                          RunningOperation& operation) {
  ASSIGN_OR_RETURN(std::optional<v1::Image> image,
                   SettleImport(catalog, operation.id(), operation.begun().target()));
  if (!image.has_value()) {
    return Error(absl::StatusCode::kAborted, "CUT_OFF",
                 "the agent was restarted, or Ceph went away, while this ran; what it had done was "
                 "undone: start it again");
  }
  operation.SetProgress(image->size_bytes());  // progress is not journalled
  return *std::move(image);
}

}  // namespace hvagent::operations
