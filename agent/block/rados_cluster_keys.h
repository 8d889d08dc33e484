// ClusterKeys on a Ceph cluster. All but the proofs goes over the connection that the block store
// keeps warm; a proof makes a client of its own, for as long as it takes (rados_proof.h).
//
// Fetch and Prove end within RbdOptions::mon_timeout, the rest within two or three times
// RbdOptions::op_timeout. What times out is fenced, as in rbd_block_store.h.
//
// In the agents' pool, which no guest's key may write:
//   secret.salt           32 bytes
//   secret.client.cinder  the claim; an omap with the keys "uuid" and "usage"
#ifndef HVAGENT_AGENT_BLOCK_RADOS_CLUSTER_KEYS_H_
#define HVAGENT_AGENT_BLOCK_RADOS_CLUSTER_KEYS_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/block/rbd_connection.h"
#include "secrets/cluster_keys.h"

namespace hvagent::block {

class RadosClusterKeys : public secrets::ClusterKeys {
 public:
  // `connection` outlives this. `pool` is the agents' own.
  RadosClusterKeys(RbdConnection& connection, std::string pool)
      : connection_(connection), pool_(std::move(pool)) {}

  absl::Status Prove(const std::string& entity, const secrets::CephKey& key) override;
  absl::StatusOr<secrets::CephKey> Fetch(const std::string& entity) override;
  absl::StatusOr<secrets::SecretBytes> FingerprintSalt() override;
  absl::StatusOr<std::optional<secrets::SecretClaim>> GetClaim(const std::string& entity) override;
  absl::Status Claim(const std::string& entity, const secrets::SecretClaim& wanted,
                     const std::optional<Uuid>& replaces) override;
  absl::Status Unclaim(const std::string& entity, const Uuid& uuid) override;

 private:
  RbdConnection& connection_;
  const std::string pool_;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RADOS_CLUSTER_KEYS_H_
