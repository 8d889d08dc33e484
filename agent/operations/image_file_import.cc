#include "agent/operations/image_file_import.h"

#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "agent/imports/import_folder.h"
#include "agent/operations/disk_copy.h"
#include "agent/operations/file_digest.h"
#include "agent/operations/job_runner.h"
#include "agent/operations/qcow2_import.h"
#include "agent/operations/staged_image.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::operations {
namespace {

constexpr size_t kMaxPathBytes = 4096;

absl::StatusOr<struct stat> Look(int fd) {
  struct stat info = {};
  if (fstat(fd, &info) == 0) return info;
  return Error(absl::StatusCode::kFailedPrecondition, "FILE_UNREADABLE",
               absl::ErrnoToStatus(errno, "cannot look at the file").message());
}

// A file that is written to while it is read would be neither what it was nor what it is.
absl::Status CheckUnchanged(int fd, const struct stat& before) {
  ASSIGN_OR_RETURN(const struct stat now, Look(fd));
  if (now.st_size == before.st_size && now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
      now.st_mtim.tv_nsec == before.st_mtim.tv_nsec) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kAborted, "FILE_CHANGED",
               "the file was changed while it was imported");
}

absl::Status CopyRaw(int fd, uint64_t file_size, const ImportOptions& options,
                     const imports::GoesOn& goes_on, RunningOperation& operation,
                     StagedImage& staged) {
  if (file_size == 0) return InvalidField("path", "is an empty file");
  RETURN_IF_ERROR(CheckDiskSize("path", file_size, options.max_image_size));
  operation.SetTotal(file_size);
  RETURN_IF_ERROR(staged.Create(Bytes(file_size)));
  return CopyExtents(fd, file_size, {{0, 0, file_size}}, goes_on, operation, staged);
}

absl::StatusOr<v1::Image> Import(const v1::ImportImageFileRequest& request, ImageCatalog& catalog,
                                 const ImportOptions& options, RunningOperation& operation) {
  RETURN_IF_ERROR(operation.CheckGoesOn());
  ASSIGN_OR_RETURN(const UniqueFd file, imports::OpenToImport(options.folder, request.path()));
  ASSIGN_OR_RETURN(const struct stat info, Look(file.get()));
  const auto size = static_cast<uint64_t>(info.st_size);
  const bool qcow2 = request.format() == v1::Image::QCOW2;
  ImageSource source = {.format = qcow2 ? v1::Image::QCOW2 : v1::Image::RAW,
                        .sha256 = request.sha256(),
                        .disk_digest = ""};
  const absl::StatusOr<v1::Image> existing = catalog.Get(request.id());
  if (existing.ok()) {
    ASSIGN_OR_RETURN(std::optional<v1::Image> own,
                     SettleImport(catalog, operation.id(), request.id()));
    if (own.has_value()) return *std::move(own);
    RETURN_IF_ERROR(CheckMadeFrom(*existing, source));
  } else if (!absl::IsNotFound(existing.status())) {
    return existing.status();
  }
  const auto goes_on = [&operation] { return operation.CheckGoesOn(); };
  // It costs as much as all else, so only where it is asked for, or where nothing else is known of
  // the image that is there.
  std::optional<FileDigest> sha256;
  if (!request.sha256().empty() || (existing.ok() && existing->disk_digest().empty())) {
    sha256.emplace(file.get(), size, goes_on);
  }
  StagedImage staged(catalog, operation.id(), request.id(),
                     existing.ok() ? StagedImage::Purpose::kDigest : StagedImage::Purpose::kImage);
  RETURN_IF_ERROR(qcow2 ? CopyQcow2(file.get(), size, options, goes_on, operation, staged)
                        : CopyRaw(file.get(), size, options, goes_on, operation, staged));
  source.disk_digest = staged.Digest();
  if (sha256.has_value()) {
    ASSIGN_OR_RETURN(source.sha256, sha256->Get());
  }
  RETURN_IF_ERROR(CheckUnchanged(file.get(), info));
  RETURN_IF_ERROR(CheckDigestIs(request.id(), source.sha256, request.sha256()));
  RETURN_IF_ERROR(operation.CheckGoesOn());
  if (!existing.ok()) return staged.Publish(source);
  RETURN_IF_ERROR(CheckMadeFrom(*existing, source));
  return existing;
}

}  // namespace

absl::Status CheckImportFile(const v1::ImportImageFileRequest& request) {
  RETURN_IF_ERROR(CheckImageId("id", request.id()));
  if (request.path().empty() || request.path().size() > kMaxPathBytes) {
    return InvalidField("path", "must name a file on the node");
  }
  return CheckDigest("sha256", request.sha256());
}

absl::StatusOr<OperationResult> ImportImageFile(ImageCatalog& catalog, const ImportOptions& options,
                                                RunningOperation& operation) {
  v1::ImportImageFileRequest request;
  if (!operation.begun().request().UnpackTo(&request)) {
    return absl::InternalError("the operation's request cannot be read");
  }
  absl::StatusOr<v1::Image> image = Import(request, catalog, options, operation);
  if (image.ok()) return *std::move(image);
  if (IsOpen(image.status())) return image.status();
  // The renaming may have had its effect although it failed.
  ASSIGN_OR_RETURN(std::optional<v1::Image> done,
                   SettleImport(catalog, operation.id(), request.id()));
  if (done.has_value()) return *std::move(done);
  return image.status();
}

}  // namespace hvagent::operations
