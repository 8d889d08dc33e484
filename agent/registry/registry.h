// Seam: who owns each VM of the cluster, and what the next owner must know of it. RadosRegistry
// keeps it in the agents' own pool, so that it outlives every node and every controller;
// MemoryRegistry is a shipped fake with the same semantics. Both pass tests/contract.
//
// Each VM has one record, which changes by compare-and-swap alone, and each node has an index of
// its VMs. A node's index entry is written before the record that names the node, and removed after
// the last of them: it may list a VM that is not the node's, never miss one. So who reads an index
// asks for the records too.
//
// Thread-safe. Every call blocks; none may be made from a gRPC thread. Errors of every call are
// those that block_store.h lists for every call. After a DEADLINE_EXCEEDED a change may be made or
// not: Get tells, once it gets through.
#ifndef HVAGENT_AGENT_REGISTRY_REGISTRY_H_
#define HVAGENT_AGENT_REGISTRY_REGISTRY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/uuid.h"
#include "hvagent/v1/registry.pb.h"

namespace hvagent::registry {

// A record as it stood. No two states of a VM's record have the same version, not even when it was
// removed and made anew in between.
struct Entry {
  v1::RegistryRecord record;
  uint64_t version = 0;
};

class Registry {
 public:
  virtual ~Registry() = default;

  // nullopt: the VM is nobody's.
  // Errors: FAILED_PRECONDITION (REGISTRY_FORMAT: a newer agent wrote it), DATA_LOSS
  // (REGISTRY_RECORD: damaged, or not the record of this VM). Neither is taken for nobody's.
  virtual absl::StatusOr<std::optional<Entry>> Get(const Uuid& vm) = 0;

  // Makes `record` that of the VM of its spec, in place of `replaces`, or where that is nullopt in
  // place of none; returns it as it stands now. Sets its format.
  // Errors: ABORTED (REGISTRY_CONFLICT: somebody was faster; look again), INVALID_ARGUMENT where
  // the record lacks a node, an epoch, a state or a spec, or changes the node without a greater
  // epoch, or makes the epoch smaller.
  virtual absl::StatusOr<Entry> Put(v1::RegistryRecord record,
                                    const std::optional<Entry>& replaces) = 0;

  // Removes the record, if it is `entry` still, and then the VM from its node's index.
  // Errors: ABORTED (REGISTRY_CONFLICT). One that is gone is no error.
  virtual absl::Status Remove(const Entry& entry) = 0;

  // Removes from the node's index a VM that has no record: what a Remove that was cut off, or a Put
  // that failed, has left. Idempotent. The caller sees to it that nobody gives the node this VM
  // meanwhile.
  virtual absl::Status RemoveFromIndex(const std::string& node, const Uuid& vm) = 0;

  // At most `limit` VMs of the node's index whose UUIDs sort after `after` (nil: from the start),
  // in order.
  virtual absl::StatusOr<std::vector<Uuid>> ListNode(const std::string& node, const Uuid& after,
                                                     size_t limit) = 0;
};

}  // namespace hvagent::registry

#endif  // HVAGENT_AGENT_REGISTRY_REGISTRY_H_
