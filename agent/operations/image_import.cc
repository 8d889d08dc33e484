#include "agent/operations/image_import.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace hvagent::operations {
namespace {

// As Glance's: fewer objects for an image that is read far more often than written.
constexpr Bytes kObjectSize = MiB(8);
// What is tested for zeros, and left out when it has nothing else.
constexpr size_t kBlockBytes = 64 << 10;
constexpr uint64_t kSectorBytes = 512;
// How far an image of unknown size grows at a time, at most.
constexpr Bytes kMaxGrowth = GiB(8);
constexpr Bytes kMaxImageSize = GiB(64 << 10);

bool IsZero(absl::string_view block) {
  return std::all_of(block.begin(), block.end(), [](char c) { return c == 0; });
}

absl::Status CheckSize(uint64_t size_bytes) {
  if (size_bytes % kSectorBytes != 0 || Bytes(size_bytes) > kMaxImageSize) {
    return InvalidField("header.size_bytes",
                        absl::StrCat(size_bytes,
                                     " bytes is not the size of a raw disk: a multiple "
                                     "of 512, at most 64 TiB"));
  }
  return absl::OkStatus();
}

absl::Status CheckHeader(const v1::ImportImageRequest::Header& header) {
  RETURN_IF_ERROR(CheckImageId("header.id", header.id()));
  RETURN_IF_ERROR(CheckSize(header.size_bytes()));
  const std::string& digest = header.sha256();
  const bool is_hex = std::all_of(digest.begin(), digest.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
  });
  if (!digest.empty() && (digest.size() != 64 || !is_hex)) {
    return InvalidField("header.sha256", "must be 64 lower-case hexadecimal digits");
  }
  return absl::OkStatus();
}

absl::Status ExistsWithOtherContent(const v1::Image& image) {
  return Error(
      absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS",
      absl::StrCat("image ", image.pool(), "/", image.id(),
                   image.sha256().empty() ? " exists and was not imported by this program"
                                          : absl::StrCat(" exists with sha256 ", image.sha256()),
                   ": choose another id, or delete it first"));
}

absl::Status TruncatedStream(absl::string_view id, absl::string_view how) {
  return Error(absl::StatusCode::kInvalidArgument, "TRUNCATED_STREAM",
               absl::StrCat("image ", id, ": the stream ", how));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImageImport>> ImageImport::Begin(
    const v1::ImportImageRequest::Header& header, ImageCatalog& catalog, OperationTable& table) {
  RETURN_IF_ERROR(CheckHeader(header));
  const auto existing = catalog.Get(header.id());
  if (!existing.ok() && !absl::IsNotFound(existing.status())) return existing.status();
  if (existing.ok() && (existing->sha256().empty() || !existing->ready() ||
                        (!header.sha256().empty() && header.sha256() != existing->sha256()))) {
    return ExistsWithOtherContent(*existing);
  }
  v1::Operation wish;
  wish.set_kind(v1::Operation::IMAGE_IMPORT);
  wish.set_target(header.id());
  wish.set_bytes_total(header.size_bytes());
  ASSIGN_OR_RETURN(auto operation, table.Begin(std::move(wish)));
  std::unique_ptr<ImageImport> import(new ImageImport(header, catalog, std::move(operation)));
  if (!existing.ok()) {
    if (absl::Status status = import->OpenStaged(); !status.ok()) {
      import->Abort(status);
      return status;
    }
  }
  return import;
}

ImageImport::ImageImport(const v1::ImportImageRequest::Header& header, ImageCatalog& catalog,
                         std::shared_ptr<RunningOperation> operation)
    : header_(header),
      catalog_(catalog),
      operation_(std::move(operation)),
      staged_(catalog.StagedNameOf(operation_->id())) {}

ImageImport::~ImageImport() {
  if (!ended_) Abort(absl::CancelledError("the import was given up"));
}

absl::Status ImageImport::OpenStaged() {
  staged_size_ = Bytes(header_.size_bytes());
  RETURN_IF_ERROR(catalog_.block().CreateImage(staged_, staged_size_, kObjectSize));
  ASSIGN_OR_RETURN(writer_, catalog_.block().OpenWriter(staged_));
  return absl::OkStatus();
}

absl::Status ImageImport::Write(absl::string_view chunk) {
  if (operation_->cancel_requested()) {
    return absl::CancelledError("the import was cancelled");
  }
  if (has_total_) return InvalidField("chunk", "must not come after total_bytes");
  if (header_.size_bytes() != 0 && received_bytes_ + chunk.size() > header_.size_bytes()) {
    return InvalidField("header.size_bytes",
                        absl::StrCat("more than the ", header_.size_bytes(),
                                     " bytes that the header promised have come"));
  }
  hash_.Update(chunk);
  if (writer_ != nullptr) RETURN_IF_ERROR(WriteData(chunk));
  received_bytes_ += chunk.size();
  operation_->SetProgress(received_bytes_);
  return absl::OkStatus();
}

absl::Status ImageImport::WriteData(absl::string_view chunk) {
  if (header_.size_bytes() == 0) RETURN_IF_ERROR(GrowFor(received_bytes_ + chunk.size()));
  size_t begin = 0;
  while (begin < chunk.size()) {
    if (IsZero(chunk.substr(begin, kBlockBytes))) {
      begin += kBlockBytes;
      continue;
    }
    size_t end = begin + kBlockBytes;
    while (end < chunk.size() && !IsZero(chunk.substr(end, kBlockBytes))) end += kBlockBytes;
    const absl::string_view data = chunk.substr(begin, end - begin);
    RETURN_IF_ERROR(writer_->Write(received_bytes_ + begin, std::string(data)));
    begin = end;
  }
  return absl::OkStatus();
}

// By doubling, so that a stream of unknown length costs few resizes; Publish cuts what is over.
absl::Status ImageImport::GrowFor(uint64_t end_bytes) {
  if (end_bytes <= staged_size_.count()) return absl::OkStatus();
  const uint64_t step = std::clamp(staged_size_.count(), MiB(64).count(), kMaxGrowth.count());
  staged_size_ = Bytes(std::max(end_bytes, staged_size_.count() + step));
  return writer_->Resize(staged_size_);
}

absl::Status ImageImport::SetTotal(uint64_t total_bytes) {
  if (total_bytes != received_bytes_) {
    return InvalidField("total_bytes",
                        absl::StrCat("is ", total_bytes, ", but ", received_bytes_, " bytes came"));
  }
  has_total_ = true;
  return absl::OkStatus();
}

absl::StatusOr<v1::Image> ImageImport::Finish() {
  absl::StatusOr<v1::Image> image = Complete();
  if (!image.ok()) return Undo(image.status());
  ended_ = true;
  if (absl::Status journalled = operation_->Finish(*image); !journalled.ok()) {
    LOG(ERROR) << "import " << operation_->id() << " of image " << header_.id()
               << " succeeded, but its end could not be recorded: " << journalled;
  }
  return image;
}

absl::StatusOr<v1::Image> ImageImport::Complete() {
  if (received_bytes_ < header_.size_bytes()) {
    return TruncatedStream(header_.id(), absl::StrCat("ended after ", received_bytes_, " of ",
                                                      header_.size_bytes(), " bytes"));
  }
  if (header_.size_bytes() == 0 && !has_total_) {
    return TruncatedStream(header_.id(), absl::StrCat("was cut off after ", received_bytes_,
                                                      " bytes: no total_bytes came"));
  }
  if (received_bytes_ == 0) return TruncatedStream(header_.id(), "was empty");
  RETURN_IF_ERROR(CheckSize(received_bytes_));
  const std::string digest = hash_.HexDigest();
  if (!header_.sha256().empty() && digest != header_.sha256()) {
    return Error(absl::StatusCode::kInvalidArgument, "DIGEST_MISMATCH",
                 absl::StrCat("image ", header_.id(), ": the stream's sha256 is ", digest,
                              ", not the expected ", header_.sha256()));
  }
  if (writer_ == nullptr) {
    ASSIGN_OR_RETURN(v1::Image existing, catalog_.Get(header_.id()));
    if (existing.sha256() != digest) return ExistsWithOtherContent(existing);
    return existing;
  }
  if (staged_size_.count() != received_bytes_) {
    RETURN_IF_ERROR(writer_->Resize(Bytes(received_bytes_)));
  }
  RETURN_IF_ERROR(std::exchange(writer_, nullptr)->Finish());
  block::BlockStore& block = catalog_.block();
  RETURN_IF_ERROR(block.AmendImage(
      staged_, {.metadata = {{kDigestKey, digest}, {kOperationKey, operation_->id()}}}));
  RETURN_IF_ERROR(block.CreateProtectedSnapshot({staged_, kGoldenSnapshot}));
  absl::Status renamed = block.RenameImage(staged_, header_.id());
  if (absl::IsAlreadyExists(renamed)) {
    // Another import of this id was faster; the same content makes it a success of both.
    ASSIGN_OR_RETURN(v1::Image existing, catalog_.Get(header_.id()));
    if (existing.sha256() != digest || !existing.ready()) return ExistsWithOtherContent(existing);
    RETURN_IF_ERROR(catalog_.RemoveStaged(operation_->id()));
    return existing;
  }
  RETURN_IF_ERROR(renamed);
  return catalog_.Get(header_.id());
}

void ImageImport::Abort(const absl::Status& reason) {
  if (!ended_) Undo(reason).IgnoreError();
}

absl::StatusOr<v1::Image> ImageImport::Undo(const absl::Status& reason) {
  ended_ = true;
  writer_.reset();
  absl::StatusOr<std::optional<v1::Image>> outcome =
      Settle(catalog_, operation_->id(), header_.id());
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

absl::StatusOr<std::optional<v1::Image>> ImageImport::Settle(ImageCatalog& catalog,
                                                             const std::string& operation_id,
                                                             const std::string& image_id) {
  RETURN_IF_ERROR(catalog.RemoveStaged(operation_id));
  return catalog.FindMadeBy(operation_id, image_id);
}

absl::StatusOr<OperationResult> ImageImport::SettleCutOff(ImageCatalog& catalog,
                                                          RunningOperation& operation) {
  ASSIGN_OR_RETURN(std::optional<v1::Image> image,
                   Settle(catalog, operation.id(), operation.begun().target()));
  if (!image.has_value()) {
    return Error(absl::StatusCode::kAborted, "CUT_OFF",
                 "the agent was restarted, or Ceph went away, while this ran; what it had done was "
                 "undone: start it again");
  }
  operation.SetProgress(image->size_bytes());  // progress is not journalled
  return *std::move(image);
}

}  // namespace hvagent::operations
