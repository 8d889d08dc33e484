// Reads a small file that holds key material. What it is handed may be any path on the node, so a
// FIFO, a device or a file without an end must neither hang it nor fill the memory.
#ifndef HVAGENT_SECRETS_SECRET_FILE_H_
#define HVAGENT_SECRETS_SECRET_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "secrets/secret_bytes.h"

namespace hvagent::secrets {

inline constexpr size_t kMaxSecretFile = size_t{64} << 10;

struct SecretFile {
  SecretBytes text;
  bool exposed = false;  // to others than its owner, by its mode
};

// No error quotes what was read. Errors, with reason KEY_FILE and naming the file: NOT_FOUND,
// PERMISSION_DENIED, INVALID_ARGUMENT (not a regular file, longer than kMaxSecretFile),
// FAILED_PRECONDITION and others as absl::ErrnoToStatusCode has them.
absl::StatusOr<SecretFile> ReadSecretFile(const std::string& path);

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_SECRET_FILE_H_
