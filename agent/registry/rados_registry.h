// Registry on a Ceph cluster, over the connection that the block store keeps warm. Each operation
// ends within RbdOptions::op_timeout; what times out is fenced, as in rbd_block_store.h, so it is
// settled before the next call gets through.
//
// In the agents' pool, which no guest's key may write:
//   vm.<uuid>    the record; its version is the object's own
//   node.<name>  the node's index; an omap with the UUIDs as keys
#ifndef HVAGENT_AGENT_REGISTRY_RADOS_REGISTRY_H_
#define HVAGENT_AGENT_REGISTRY_RADOS_REGISTRY_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/block/rbd_connection.h"
#include "agent/registry/registry.h"

namespace hvagent::registry {

class RadosRegistry final : public Registry {
 public:
  // `connection` outlives this. `pool` is the agents' own.
  RadosRegistry(block::RbdConnection& connection, std::string pool)
      : connection_(connection), pool_(std::move(pool)) {}

  absl::StatusOr<std::optional<Entry>> Get(const Uuid& vm) override;
  absl::StatusOr<Entry> Put(v1::RegistryRecord record,
                            const std::optional<Entry>& replaces) override;
  absl::Status Remove(const Entry& entry) override;
  absl::Status RemoveFromIndex(const std::string& node, const Uuid& vm) override;
  absl::StatusOr<std::vector<Uuid>> ListNode(const std::string& node, const Uuid& after,
                                             size_t limit) override;

 private:
  block::RbdConnection& connection_;
  const std::string pool_;
};

}  // namespace hvagent::registry

#endif  // HVAGENT_AGENT_REGISTRY_RADOS_REGISTRY_H_
