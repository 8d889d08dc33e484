// ClusterKeys in memory: a shipped fake with Ceph's semantics. It serves `agentd --backend=memory`
// and every test that needs no real cluster.
//
// A MemoryCluster is what the nodes of one cluster share: keys, salt and claims. Each node has a
// MemoryClusterKeys of its own, its way to that cluster, which can fail on its own. Thread-safe.
// Nothing blocks.
#ifndef HVAGENT_AGENT_BLOCK_MEMORY_CLUSTER_KEYS_H_
#define HVAGENT_AGENT_BLOCK_MEMORY_CLUSTER_KEYS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/hypervisor/memory_faults.h"
#include "base/mutex.h"
#include "secrets/cluster_keys.h"

namespace hvagent::block {

class MemoryCluster {
 public:
  // What becomes of an entity that the cluster does not know, when somebody connects as it.
  enum class Strangers {
    kRefused,  // as Ceph does
    // It is taken in with the key that it came with, as if it had always had that one: for a
    // cluster that nobody can be asked to put users into.
    kTakenIn,
  };

  // The salt is made from the fsid, so that nodes simulated in several processes agree on it.
  explicit MemoryCluster(absl::string_view fsid, Strangers strangers = Strangers::kRefused);

  // As `ceph auth import`: adds an entity, or gives it another key.
  void SetKey(const std::string& entity, const secrets::CephKey& key);
  // As `ceph auth rm`.
  void RemoveEntity(const std::string& entity);

  // What MemoryClusterKeys stands on: its methods of these names, without faults.
  absl::Status Prove(const std::string& entity, const secrets::CephKey& key);
  absl::StatusOr<secrets::CephKey> Fetch(const std::string& entity) const;
  secrets::SecretBytes FingerprintSalt() const;
  std::optional<secrets::SecretClaim> GetClaim(const std::string& entity) const;
  absl::Status Claim(const std::string& entity, const secrets::SecretClaim& wanted,
                     const std::optional<Uuid>& replaces);
  void Unclaim(const std::string& entity, const Uuid& uuid);

 private:
  const secrets::SecretBytes salt_;
  const Strangers strangers_;
  mutable Mutex mutex_;
  std::map<std::string, secrets::CephKey> keys_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, secrets::SecretClaim> claims_ ABSL_GUARDED_BY(mutex_);
};

class MemoryClusterKeys : public secrets::ClusterKeys {
 public:
  explicit MemoryClusterKeys(std::shared_ptr<MemoryCluster> cluster)
      : cluster_(std::move(cluster)) {}

  MemoryCluster& cluster() { return *cluster_; }

  // Ceph away, or single calls that fail, for this node alone. Every call of the seam counts.
  hypervisor::MemoryFaults& faults() { return faults_; }
  // What the agent's user may. Proofs ask nothing of it.
  enum class Caps { kAll, kNoFetch, kNone };
  void SetCaps(Caps caps);

  absl::Status Prove(const std::string& entity, const secrets::CephKey& key) override;
  absl::StatusOr<secrets::CephKey> Fetch(const std::string& entity) override;
  absl::StatusOr<secrets::SecretBytes> FingerprintSalt() override;
  absl::StatusOr<std::optional<secrets::SecretClaim>> GetClaim(const std::string& entity) override;
  absl::Status Claim(const std::string& entity, const secrets::SecretClaim& wanted,
                     const std::optional<Uuid>& replaces) override;
  absl::Status Unclaim(const std::string& entity, const Uuid& uuid) override;

 private:
  // OK, or what an agent without the caps for the agents' pool hears.
  absl::Status CheckPoolCaps() const;
  Caps caps() const;

  const std::shared_ptr<MemoryCluster> cluster_;
  hypervisor::MemoryFaults faults_;
  mutable Mutex mutex_;
  Caps caps_ ABSL_GUARDED_BY(mutex_) = Caps::kAll;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_MEMORY_CLUSTER_KEYS_H_
