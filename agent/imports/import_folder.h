// The one folder of the node from which files are imported.
#ifndef HVAGENT_AGENT_IMPORTS_IMPORT_FOLDER_H_
#define HVAGENT_AGENT_IMPORTS_IMPORT_FOLDER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace hvagent::imports {

// Opens `path`, absolute or relative to `folder`, for reading. No component of it below the folder
// may be a symbolic link, or lead out of it; that is the kernel's to judge (openat2), not a
// comparison of names. Empty `folder`: nothing is imported from this node's files.
// Errors: FAILED_PRECONDITION (NO_IMPORT_FOLDER, FILE_UNREADABLE), INVALID_ARGUMENT (path: outside
// of the folder, by a link, or no regular file), NOT_FOUND (FILE_NOT_FOUND).
absl::StatusOr<UniqueFd> OpenToImport(const std::string& folder, absl::string_view path);

}  // namespace hvagent::imports

#endif  // HVAGENT_AGENT_IMPORTS_IMPORT_FOLDER_H_
