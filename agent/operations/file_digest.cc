#include "agent/operations/file_digest.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/operations/sha256.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::operations {
namespace {

constexpr size_t kPieceBytes = 256 << 10;  // stays in the processor's cache

}  // namespace

DataRange NextData(int fd, uint64_t offset, uint64_t file_size) {
  const off_t begin = lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  // Where the file system knows nothing of holes all is data.
  if (begin < 0) return {errno == ENXIO ? file_size : offset, file_size};
  const off_t end = lseek(fd, begin, SEEK_HOLE);
  return {std::min(static_cast<uint64_t>(begin), file_size),
          end < 0 ? file_size : std::min(static_cast<uint64_t>(end), file_size)};
}

absl::Status ReadFully(int fd, uint64_t offset, size_t length, char* bytes) {
  for (size_t done = 0; done < length;) {
    const ssize_t count = pread(fd, bytes + done, length - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return Error(absl::StatusCode::kFailedPrecondition, "FILE_UNREADABLE",
                   absl::ErrnoToStatus(errno, "cannot read the file").message());
    }
    if (count == 0) {
      return Error(absl::StatusCode::kAborted, "FILE_CHANGED",
                   "the file became shorter while it was imported");
    }
    done += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

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
  DataRange data;
  for (uint64_t at = 0; at < file_size;) {
    if (given_up_) return absl::CancelledError("given up");
    RETURN_IF_ERROR(goes_on_());
    if (at >= data.end) data = NextData(fd, at, file_size);
    const uint64_t until = at < data.begin ? data.begin : data.end;
    const size_t length = std::min<uint64_t>(kPieceBytes, until - at);
    if (at >= data.begin) RETURN_IF_ERROR(ReadFully(fd, at, length, piece.data()));
    hash.Update(absl::string_view(at < data.begin ? zeros : piece).substr(0, length));
    at += length;
  }
  return hash.HexDigest();
}

}  // namespace hvagent::operations
