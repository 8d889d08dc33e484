#include "agent/operations/staged_image.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::operations {
namespace {

// As Glance's: fewer objects for an image that is read far more often than written.
constexpr Bytes kObjectSize = MiB(8);
// What is tested for zeros, and left out when it has nothing else.
constexpr size_t kBlockBytes = 64 << 10;
constexpr uint64_t kSectorBytes = 512;

}  // namespace

absl::Status CheckMadeFrom(const v1::Image& existing, const ImageSource& source) {
  const bool is_imported = !existing.sha256().empty() || !existing.disk_digest().empty();
  const auto fits = [](absl::string_view one, absl::string_view other) {
    return one.empty() || other.empty() || one == other;
  };
  const bool both_have_sha256 = !source.sha256.empty() && !existing.sha256().empty();
  const bool digest_fits = both_have_sha256 ? source.sha256 == existing.sha256()
                                            : fits(source.disk_digest, existing.disk_digest());
  if (existing.ready() && is_imported && digest_fits && existing.source_format() == source.format) {
    return absl::OkStatus();
  }
  std::string how = " exists and was not imported by this program";
  if (is_imported) {
    how = absl::StrCat(
        " exists with ",
        existing.sha256().empty() ? absl::StrCat("disk digest ", existing.disk_digest())
                                  : absl::StrCat("sha256 ", existing.sha256()),
        existing.source_format() == v1::Image::QCOW2 ? ", from a qcow2 file" : ", from a raw file");
  }
  return Error(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS",
               absl::StrCat("image ", existing.pool(), "/", existing.id(), how,
                            ": choose another id, or delete it first"));
}

absl::Status CheckDiskSize(absl::string_view field, uint64_t size_bytes, Bytes max_size) {
  if (size_bytes % kSectorBytes == 0 && Bytes(size_bytes) <= max_size) return absl::OkStatus();
  return InvalidField(
      field, absl::StrCat(size_bytes, " bytes is not the size of a raw disk: a multiple of 512, ",
                          "at most ", max_size.count() >> 30, " GiB here"));
}

absl::Status CheckDigest(absl::string_view field, absl::string_view digest) {
  const bool is_hex = std::all_of(digest.begin(), digest.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
  });
  if (digest.empty() || (digest.size() == 64 && is_hex)) return absl::OkStatus();
  return InvalidField(field, "must be 64 lower-case hexadecimal digits");
}

absl::Status CheckDigestIs(absl::string_view image_id, absl::string_view digest,
                           absl::string_view expected) {
  if (expected.empty() || digest == expected) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "DIGEST_MISMATCH",
               absl::StrCat("image ", image_id, ": the file's sha256 is ", digest,
                            ", not the expected ", expected));
}

absl::StatusOr<std::optional<v1::Image>> SettleImport(ImageCatalog& catalog,
                                                      const std::string& operation_id,
                                                      const std::string& image_id) {
  RETURN_IF_ERROR(catalog.RemoveStaged(operation_id));
  return catalog.FindMadeBy(operation_id, image_id);
}

StagedImage::StagedImage(ImageCatalog& catalog, std::string operation_id, std::string image_id,
                         Purpose purpose)
    : catalog_(catalog),
      operation_id_(std::move(operation_id)),
      image_id_(std::move(image_id)),
      purpose_(purpose),
      name_(catalog.StagedNameOf(operation_id_)) {}

absl::Status StagedImage::Create(Bytes size) {
  size_ = size;
  if (purpose_ == Purpose::kDigest) return absl::OkStatus();
  absl::Status made = catalog_.block().CreateImage(name_, size, kObjectSize);
  if (ErrorReason(made) == "IMAGE_EXISTS") {
    RETURN_IF_ERROR(catalog_.RemoveStaged(operation_id_));
    made = catalog_.block().CreateImage(name_, size, kObjectSize);
  }
  RETURN_IF_ERROR(made);
  ASSIGN_OR_RETURN(writer_, catalog_.block().OpenWriter(name_));
  return absl::OkStatus();
}

absl::Status StagedImage::Write(uint64_t offset_bytes, absl::string_view data) {
  size_t begin = 0;
  while (begin < data.size()) {
    if (IsZeros(data.substr(begin, kBlockBytes))) {
      begin += kBlockBytes;
      continue;
    }
    size_t end = begin + kBlockBytes;
    while (end < data.size() && !IsZeros(data.substr(end, kBlockBytes))) end += kBlockBytes;
    const absl::string_view run = data.substr(begin, end - begin);
    // The write goes on its way first, and is under way while its digest is made.
    if (writer_ != nullptr) RETURN_IF_ERROR(writer_->Write(offset_bytes + begin, run));
    digest_.Add(offset_bytes + begin, run);
    begin = end;
  }
  return absl::OkStatus();
}

absl::Status StagedImage::Resize(Bytes size) {
  if (size == size_) return absl::OkStatus();
  if (writer_ != nullptr) RETURN_IF_ERROR(writer_->Resize(size));
  size_ = size;
  return absl::OkStatus();
}

absl::StatusOr<v1::Image> StagedImage::Publish(const ImageSource& source) {
  std::map<std::string, std::string> metadata = {{kDiskDigestKey, source.disk_digest},
                                                 {kOperationKey, operation_id_}};
  if (!source.sha256.empty()) metadata[kSha256Key] = source.sha256;
  if (source.format == v1::Image::QCOW2) metadata[kFormatKey] = kFormatQcow2;
  RETURN_IF_ERROR(writer_->SetMetadata(metadata));
  RETURN_IF_ERROR(writer_->CreateProtectedSnapshot(kGoldenSnapshot));
  RETURN_IF_ERROR(std::exchange(writer_, nullptr)->Finish());
  const absl::Status renamed = catalog_.block().RenameImage(name_, image_id_);
  if (absl::IsAlreadyExists(renamed)) {
    // Another import of this id was faster; the same source makes it a success of both.
    ASSIGN_OR_RETURN(v1::Image existing, catalog_.Get(image_id_));
    RETURN_IF_ERROR(CheckMadeFrom(existing, source));
    RETURN_IF_ERROR(catalog_.RemoveStaged(operation_id_));
    return existing;
  }
  RETURN_IF_ERROR(renamed);
  return catalog_.Get(image_id_);
}

}  // namespace hvagent::operations
