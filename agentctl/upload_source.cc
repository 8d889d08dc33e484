#include "agentctl/upload_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::agentctl {
namespace {

constexpr size_t kChunkBytes = 1 << 20;

absl::Status FileError(int error, const std::string& file) {
  return Error(absl::StatusCode::kFailedPrecondition, "FILE_UNREADABLE",
               absl::ErrnoToStatus(error, absl::StrCat("cannot read ", file)).message());
}

}  // namespace

absl::StatusOr<UploadSource> UploadSource::Open(const std::string& file) {
  UniqueFd fd(file == "-" ? ::dup(STDIN_FILENO) : ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return FileError(errno, file);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return FileError(errno, file);
  if (S_ISDIR(info.st_mode)) return FileError(EISDIR, file);
  const uint64_t size = S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
  return UploadSource(file, std::move(fd), size);
}

absl::Status UploadSource::Read(int stop_fd, std::string& chunk) {
  chunk.resize(kChunkBytes);
  size_t filled = 0;
  while (filled < kChunkBytes) {
    pollfd events[] = {{fd_.get(), POLLIN, 0}, {stop_fd, POLLIN, 0}};
    if (::poll(events, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return FileError(errno, file_);
    }
    if (events[1].revents != 0) return absl::CancelledError("interrupted");
    const ssize_t count = ::read(fd_.get(), chunk.data() + filled, kChunkBytes - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(errno, file_);
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  chunk.resize(filled);
  return absl::OkStatus();
}

}  // namespace hvagent::agentctl
