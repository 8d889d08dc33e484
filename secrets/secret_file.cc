#include "secrets/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::secrets {
namespace {

absl::Status Unusable(absl::StatusCode code, const std::string& path, absl::string_view problem) {
  return Error(code, "KEY_FILE", absl::StrCat("cannot read the key file ", path, ": ", problem));
}

absl::Status Unreadable(const std::string& path, int error) {
  return Unusable(absl::ErrnoToStatusCode(error), path, strerror(error));
}

}  // namespace

absl::StatusOr<SecretFile> ReadSecretFile(const std::string& path) {
  // O_NONBLOCK: to open a FIFO would wait for somebody who writes to it.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return Unreadable(path, errno);
  const absl::Cleanup closes = [fd] { close(fd); };

  struct stat about = {};
  if (fstat(fd, &about) != 0) return Unreadable(path, errno);
  if (!S_ISREG(about.st_mode)) {
    return Unusable(absl::StatusCode::kInvalidArgument, path, "it is not a regular file");
  }

  // What stat calls its size may have changed, and is 0 in /proc.
  std::string text(kMaxSecretFile + 1, '\0');
  const absl::Cleanup wipes = [&text] { WipeString(text); };
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = read(fd, text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Unreadable(path, errno);
    if (count == 0) break;
    size += count;
  }
  if (size > kMaxSecretFile) {
    return Unusable(absl::StatusCode::kInvalidArgument, path,
                    absl::StrCat("it is longer than ", kMaxSecretFile, " bytes"));
  }
  return SecretFile{.text = SecretBytes(absl::string_view(text).substr(0, size)),
                    .exposed = (about.st_mode & (S_IRWXG | S_IRWXO)) != 0};
}

}  // namespace hvagent::secrets
