#include "agent/imports/import_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::imports {
namespace {

absl::Status CannotOpen(int error, const std::string& folder, absl::string_view path) {
  const std::string what = absl::StrCat("\"", absl::CHexEscape(path.substr(0, 256)), "\" ");
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Error(absl::StatusCode::kNotFound, "FILE_NOT_FOUND",
                   absl::StrCat("there is no file ", what, "below ", folder, " on this node"));
    case EXDEV:
    case ELOOP:
      return InvalidField(
          "path", absl::StrCat(what, "leads out of ", folder, ", or through a symbolic link"));
    default:
      return Error(
          absl::StatusCode::kFailedPrecondition, "FILE_UNREADABLE",
          absl::ErrnoToStatus(error, absl::StrCat("cannot read ", what, "on this node")).message());
  }
}

}  // namespace

absl::StatusOr<UniqueFd> OpenToImport(const std::string& folder, absl::string_view path) {
  if (folder.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_IMPORT_FOLDER",
                 "this node imports no files of its own: imports.folder in its configuration says "
                 "from where it may; or upload the file");
  }
  absl::string_view below = path;
  if (absl::StartsWith(path, "/")) {
    if (!absl::ConsumePrefix(&below, absl::StrCat(absl::StripSuffix(folder, "/"), "/"))) {
      return InvalidField(
          "path", absl::StrCat("\"", absl::CHexEscape(path.substr(0, 256)), "\" is not below ",
                               folder, ", from which this node imports files"));
    }
  }
  if (below.empty() || absl::StrContains(below, absl::string_view("\0", 1))) {
    return InvalidField("path", "must name a file");
  }
  const UniqueFd root(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return CannotOpen(errno, folder, path);
  // O_NONBLOCK: a pipe of that name must not make the agent wait for its writer.
  open_how how = {};
  how.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd file(static_cast<int>(
      syscall(SYS_openat2, root.get(), std::string(below).c_str(), &how, sizeof(how))));
  if (!file) return CannotOpen(errno, folder, path);
  struct stat info = {};
  if (fstat(file.get(), &info) != 0) return CannotOpen(errno, folder, path);
  if (!S_ISREG(info.st_mode)) return InvalidField("path", "is no regular file");
  return file;
}

}  // namespace hvagent::imports
