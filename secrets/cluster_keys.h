// Seam: what one Ceph cluster knows of cephx keys, and what all nodes agree on about them.
// agent/block implements it over librados (RadosClusterKeys) and in memory (MemoryClusterKeys);
// both pass tests/contract.
//
// What must be the same on every node lives in the cluster itself, in the agents' own pool: the
// salt of fingerprints, and for each entity the claim that says under which UUID its secret stands.
//
// Thread-safe. Every call blocks, for at most the implementation's configured deadline.
// Errors of every call: UNAVAILABLE (CEPH_UNAVAILABLE: nothing was changed; CEPH_BLOCKLISTED: cut
// off in the middle), DEADLINE_EXCEEDED (CEPH_TIMEOUT: a Claim may be made or not, look again),
// PERMISSION_DENIED (CEPH_CAPS: naming the agent's user and what it lacks), NOT_FOUND
// (POOL_NOT_FOUND: the agents' pool), RESOURCE_EXHAUSTED (POOL_FULL), DATA_LOSS (CLUSTER_RECORD:
// somebody else has written to a record of ours).
#ifndef HVAGENT_SECRETS_CLUSTER_KEYS_H_
#define HVAGENT_SECRETS_CLUSTER_KEYS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/uuid.h"
#include "secrets/ceph_key.h"
#include "secrets/secret_bytes.h"

namespace hvagent::secrets {

// The one identity that an entity's secret has in the whole cluster.
struct SecretClaim {
  Uuid uuid;
  std::string usage;
  friend bool operator==(const SecretClaim&, const SecretClaim&) = default;
};

class ClusterKeys {
 public:
  virtual ~ClusterKeys() = default;

  // Connects to the cluster as `entity` with `key`, on a connection of its own that is closed
  // again. OK proves the key; nothing else does.
  // Errors: UNAUTHENTICATED (CEPH_KEY_REFUSED) when the monitors refuse the key, know no such
  // entity, or give it no caps, which they answer alike; UNAVAILABLE when they cannot be asked,
  // which says nothing about the key; UNIMPLEMENTED (CEPH_KEY_TYPE) when this node's Ceph libraries
  // are too old for its type.
  virtual absl::Status Prove(const std::string& entity, const CephKey& key) = 0;

  // The key that the monitors hold for `entity` (`auth get-key`).
  // Errors: NOT_FOUND (CEPH_ENTITY_NOT_FOUND); PERMISSION_DENIED (CEPH_CAPS) when the agent's user
  // may not ask, with the cap that it needs; ParseCephKey's.
  virtual absl::StatusOr<CephKey> Fetch(const std::string& entity) = 0;

  // 32 bytes that are random and the same for every node of the cluster; made by the first that
  // asks. Never changes.
  virtual absl::StatusOr<SecretBytes> FingerprintSalt() = 0;

  // The claim that stands for `entity`, or nullopt.
  virtual absl::StatusOr<std::optional<SecretClaim>> GetClaim(const std::string& entity) = 0;

  // Makes `wanted` the claim of `entity` if the claim that stands has the UUID `replaces` (nullopt:
  // if there is none). Atomic among all nodes; the claim that stands already is `wanted`: OK.
  // Errors: ABORTED (SECRET_CLAIMED, naming the claim that stands): somebody else was first.
  virtual absl::Status Claim(const std::string& entity, const SecretClaim& wanted,
                             const std::optional<Uuid>& replaces) = 0;

  // Removes the claim of `entity` if it has this UUID; one that is gone, or another, is left.
  // Idempotent.
  virtual absl::Status Unclaim(const std::string& entity, const Uuid& uuid) = 0;
};

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_CLUSTER_KEYS_H_
