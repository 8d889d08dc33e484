#include "agentctl/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace hvagent::agentctl {
namespace {

constexpr size_t kMaxBytes = 16 << 20;

absl::Status FileError(int error, const std::string& path) {
  absl::Status status = absl::ErrnoToStatus(error, absl::StrCat("cannot read ", path));
  if (error == EISDIR) {
    return absl::FailedPreconditionError(absl::StrCat("cannot read ", path, ": it is a folder"));
  }
  return status;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int fd = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, path);
  const absl::Cleanup close_fd = [fd] { ::close(fd); };

  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(errno, path);
    if (text.size() + static_cast<size_t>(count) > kMaxBytes) {
      return absl::ResourceExhaustedError(absl::StrCat("cannot read ", path, ": over 16 MiB"));
    }
    text.append(buffer, static_cast<size_t>(count));
  }
}

}  // namespace hvagent::agentctl
