// Files as text, with errors that name them.
#ifndef HVAGENT_AGENTCTL_FILES_H_
#define HVAGENT_AGENTCTL_FILES_H_

#include <string>

#include "absl/status/statusor.h"

namespace hvagent::agentctl {

// All of `path`, or of standard input for "-". Blocks.
// Errors: NOT_FOUND, PERMISSION_DENIED, else FAILED_PRECONDITION; RESOURCE_EXHAUSTED beyond
// 16 MiB, which no manifest, certificate or keyring is.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_FILES_H_
