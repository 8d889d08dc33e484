#include "agent/imports/spool_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::imports {
namespace {

// How much is written between two looks at what the disk has left.
constexpr uint64_t kLookEvery = 64 << 20;

absl::Status Full(absl::string_view why) {
  return Error(absl::StatusCode::kResourceExhausted, "SPOOL_FULL",
               absl::StrCat("an uploaded qcow2 file is kept on the node while it is read, and ",
                            why, ": import it from a file on the node, or as raw"));
}

absl::Status Unusable(int error, const std::string& folder) {
  return Error(absl::StatusCode::kFailedPrecondition, "SPOOL_UNUSABLE",
               absl::ErrnoToStatus(error, absl::StrCat("cannot keep an uploaded file in ", folder,
                                                       " (imports.spool_dir)"))
                   .message());
}

}  // namespace

absl::StatusOr<SpoolFile> SpoolFile::Make(const SpoolOptions& options, uint64_t expected_size) {
  if (mkdir(options.folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return Unusable(errno, options.folder);
  }
  UniqueFd fd(open(options.folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return Unusable(errno, options.folder);
  SpoolFile file(options, std::move(fd));
  RETURN_IF_ERROR(file.CheckRoom(expected_size));
  return file;
}

absl::Status SpoolFile::CheckRoom(uint64_t bytes) const {
  if (size_ + bytes > options_.max_size.count()) {
    return Full(absl::StrCat("this node takes at most ", options_.max_size.count(),
                             " bytes (imports.max_upload_gib)"));
  }
  struct statvfs disk = {};
  if (fstatvfs(file_.get(), &disk) != 0) return Unusable(errno, options_.folder);
  const uint64_t free = disk.f_bavail * disk.f_frsize;
  if (bytes + options_.keep_free.count() > free) {
    return Full(absl::StrCat("the disk of ", options_.folder, " has only ", free, " bytes left"));
  }
  return absl::OkStatus();
}

absl::Status SpoolFile::Append(absl::string_view bytes) {
  if (size_ + bytes.size() > checked_to_) {
    RETURN_IF_ERROR(CheckRoom(bytes.size()));
    checked_to_ = size_ + std::max<uint64_t>(bytes.size(), kLookEvery);
    checked_to_ = std::min(checked_to_, options_.max_size.count());
  }
  while (!bytes.empty()) {
    const ssize_t count = write(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == ENOSPC) return Full("its disk is full");
    if (count < 0) return Unusable(errno, options_.folder);
    bytes.remove_prefix(static_cast<size_t>(count));
    size_ += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

}  // namespace hvagent::imports
