#include "agent/imports/file_bytes.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace hvagent::imports {

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

}  // namespace hvagent::imports
