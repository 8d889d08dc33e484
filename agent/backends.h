// The composition root's choice: which implementation stands behind each seam.
#ifndef HVAGENT_AGENT_BACKENDS_H_
#define HVAGENT_AGENT_BACKENDS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "agent/block/memory_cluster_keys.h"
#include "agent/block/object_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/registry/memory_registry.h"
#include "agent/registry/registry.h"
#include "hvagent/v1/config.pb.h"
#include "secrets/cluster_keys.h"
#include "secrets/secret_store.h"

namespace hvagent {

struct Backends {
  std::string name;  // "real" or "memory"
  // What the seams' implementations share (a connection, a simulated host); destroyed last.
  std::shared_ptr<void> shared;
  std::unique_ptr<block::BlockStore> block;
  std::unique_ptr<block::ObjectStore> objects;   // stands on `block`'s connection
  std::unique_ptr<secrets::ClusterKeys> keys;    // stands on `block`'s connection
  std::unique_ptr<registry::Registry> registry;  // stands on `block`'s connection
  std::unique_ptr<secrets::SecretStore> secrets;
  std::unique_ptr<hypervisor::Hypervisor> hypervisor;
};

// libvirt and Ceph. Does not wait for either: both connect in the background.
absl::StatusOr<Backends> MakeRealBackends(const v1::AgentConfig& config);

// A simulated node with an empty cluster of its own: the whole API with neither libvirt nor Ceph.
// The users of that cluster are those that somebody has connected as, each with the key that came
// first; another one is refused. Nodes that are given one `cluster` share its users and claims, and
// those that are given one `records` share its registry.
Backends MakeMemoryBackends(const v1::AgentConfig& config,
                            std::shared_ptr<block::MemoryCluster> cluster = nullptr,
                            std::shared_ptr<registry::MemoryRecords> records = nullptr);

}  // namespace hvagent

#endif  // HVAGENT_AGENT_BACKENDS_H_
