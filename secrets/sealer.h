// Seals keys for the node's state: AES-256-GCM under a key that is not in the state. Who steals the
// state (a backup, a disk) has nothing; who is root on the running node can read both, and the
// guests' memory too.
#ifndef HVAGENT_SECRETS_SEALER_H_
#define HVAGENT_SECRETS_SEALER_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "secrets/secret_bytes.h"

namespace hvagent::secrets {

// Thread-safe.
class Sealer {
 public:
  // Reads the sealing key, 32 random bytes as 64 hex digits, from `path`; makes the file (mode
  // 0600, synced) when it is not there and `create` is set.
  // Errors: NOT_FOUND or PERMISSION_DENIED (the file), FAILED_PRECONDITION (SEALING_KEY_EXPOSED:
  // others than its owner may read it), INVALID_ARGUMENT (SEALING_KEY_MALFORMED).
  static absl::StatusOr<Sealer> FromFile(const std::string& path, bool create);
  // Of 32 bytes. For tests, and for state that is in memory only.
  static Sealer FromBytes(SecretBytes key);
  // A key of its own that is gone when the process ends.
  static Sealer Ephemeral();

  // Nonce, ciphertext and tag. `context` says what was sealed ("client.cinder"): it has to be the
  // same when it is opened, so that sealed values cannot be swapped.
  std::string Seal(const SecretBytes& plain, absl::string_view context) const;
  // Errors: DATA_LOSS (SEAL_BROKEN): another sealing key or context, or damaged.
  absl::StatusOr<SecretBytes> Open(absl::string_view sealed, absl::string_view context) const;

 private:
  explicit Sealer(SecretBytes key) : key_(std::move(key)) {}

  SecretBytes key_;
};

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_SEALER_H_
