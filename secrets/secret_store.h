// Seam: where the hypervisor keeps its secrets. agent/hypervisor implements it over libvirt
// (LibvirtSecretStore) and in memory (MemorySecretStore); both pass tests/contract.
//
// A secret of usage type "ceph" is a UUID, a usage name that is unique among them, and a value.
// libvirt sets the value in a second call, so a secret without a value is a normal sight after a
// crash.
//
// Thread-safe. Every call blocks, for at most the implementation's configured deadline.
// Errors of every call: UNAVAILABLE (no connection), DEADLINE_EXCEEDED (no answer in time: the
// outcome is unknown, look again).
#ifndef HVAGENT_SECRETS_SECRET_STORE_H_
#define HVAGENT_SECRETS_SECRET_STORE_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/uuid.h"
#include "secrets/secret_bytes.h"

namespace hvagent::secrets {

struct SecretRecord {
  Uuid uuid;
  std::string usage;
  // Kept in memory only: gone when libvirtd restarts.
  bool ephemeral = false;
  // libvirt never gives the value back.
  bool is_private = false;

  friend bool operator==(const SecretRecord&, const SecretRecord&) = default;
};

// "Look at this secret again" (defined, undefined or given a value, by whomever), or with nullopt
// "look at all of them" (a new connection: ephemeral ones may be gone).
using SecretListener = std::function<void(std::optional<Uuid>)>;

class SecretStore {
 public:
  virtual ~SecretStore() = default;

  // All secrets of usage type ceph, in no order; those of other types are not ours to see.
  virtual absl::StatusOr<std::vector<SecretRecord>> List() = 0;

  // Makes the record, without a value; the same record again changes nothing, its value stays.
  // Errors: ALREADY_EXISTS (SECRET_CONFLICT) when the usage belongs to another UUID, the UUID has
  // another usage, or a private secret would become readable: libvirt can change none of these.
  virtual absl::Status Define(const SecretRecord& record) = 0;

  // Sets or replaces the value: the raw key, not base64. Idempotent.
  // Errors: NOT_FOUND (SECRET_NOT_FOUND), INVALID_ARGUMENT (empty).
  virtual absl::Status SetValue(const Uuid& uuid, const SecretBytes& value) = 0;

  // Errors: NOT_FOUND with reason SECRET_NOT_FOUND (no such secret) or SECRET_HAS_NO_VALUE;
  // PERMISSION_DENIED (SECRET_IS_PRIVATE) for a private one that has a value, or may have.
  virtual absl::StatusOr<SecretBytes> GetValue(const Uuid& uuid) = 0;

  // Errors: NOT_FOUND (SECRET_NOT_FOUND).
  virtual absl::Status Undefine(const Uuid& uuid) = 0;

  // Sets the one listener, called from a thread of the implementation's; it must not block and
  // not call back in. nullptr removes it; when that returns, no call is under way. Notices may be
  // merged, and those from before the first listener come to it as one "look at all".
  virtual void SetListener(SecretListener listener) = 0;
};

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_SECRET_STORE_H_
