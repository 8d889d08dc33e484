#include "agent/operations/file_digest.h"

#include <algorithm>
#include <utility>

#include "agent/imports/file_bytes.h"
#include "agent/operations/sha256.h"
#include "base/status_macros.h"

namespace hvagent::operations {
namespace {

constexpr size_t kPieceBytes = 256 << 10;  // stays in the processor's cache

}  // namespace

FileDigest::FileDigest(int fd, uint64_t file_size, std::function<absl::Status()> goes_on)
    : goes_on_(std::move(goes_on)),
      thread_([this, fd, file_size] { result_ = Compute(fd, file_size); }) {}

FileDigest::~FileDigest() {
  given_up_ = true;
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<std::string> FileDigest::Get() {
  thread_.join();
  return result_;
}

absl::StatusOr<std::string> FileDigest::Compute(int fd, uint64_t file_size) const {
  Sha256 hash;
  std::string piece(kPieceBytes, '\0');
  const std::string zeros(kPieceBytes, '\0');
  imports::DataRange data;
  for (uint64_t at = 0; at < file_size;) {
    if (given_up_) return absl::CancelledError("given up");
    RETURN_IF_ERROR(goes_on_());
    if (at >= data.end) data = imports::NextData(fd, at, file_size);
    const uint64_t until = at < data.begin ? data.begin : data.end;
    const size_t length = std::min<uint64_t>(kPieceBytes, until - at);
    if (at >= data.begin) RETURN_IF_ERROR(imports::ReadFully(fd, at, length, piece.data()));
    hash.Update(absl::string_view(at < data.begin ? zeros : piece).substr(0, length));
    at += length;
  }
  return hash.HexDigest();
}

}  // namespace hvagent::operations
