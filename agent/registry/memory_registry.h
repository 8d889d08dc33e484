// Registry in memory: a shipped fake with the semantics of RADOS. It serves `agentd
// --backend=memory` and every test that needs no real cluster.
//
// A MemoryRecords is what the nodes of one cluster share. Each node has a MemoryRegistry of its
// own, its way to the records, which can fail on its own. Thread-safe. Nothing blocks.
#ifndef HVAGENT_AGENT_REGISTRY_MEMORY_REGISTRY_H_
#define HVAGENT_AGENT_REGISTRY_MEMORY_REGISTRY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/hypervisor/memory_faults.h"
#include "agent/registry/registry.h"
#include "base/mutex.h"

namespace hvagent::registry {

class MemoryRecords {
 public:
  // What MemoryRegistry stands on, each an operation on one object.
  struct Object {
    std::string bytes;
    uint64_t version = 0;
  };
  std::optional<Object> Read(const Uuid& vm) const;
  // Writes over the object of that version, or where it is nullopt makes one. Returns the new
  // version, or nullopt when it was not so.
  std::optional<uint64_t> Write(const Uuid& vm, std::string bytes,
                                std::optional<uint64_t> replaces);
  // Returns false when it is of another version; one that is gone is no hindrance.
  bool Remove(const Uuid& vm, uint64_t version);
  void AddToIndex(const std::string& node, const Uuid& vm);
  void RemoveFromIndex(const std::string& node, const Uuid& vm);
  std::vector<Uuid> ListIndex(const std::string& node, const Uuid& after, size_t limit) const;

 private:
  mutable Mutex mutex_;
  std::map<Uuid, Object> objects_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::set<Uuid>> index_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_version_ ABSL_GUARDED_BY(mutex_) = 0;
};

class MemoryRegistry final : public Registry {
 public:
  explicit MemoryRegistry(std::shared_ptr<MemoryRecords> records) : records_(std::move(records)) {}

  // Ceph away, or single operations that fail, for this node alone. Every operation on an object
  // counts: a call makes one to three.
  hypervisor::MemoryFaults& faults() { return faults_; }

  absl::StatusOr<std::optional<Entry>> Get(const Uuid& vm) override;
  absl::StatusOr<Entry> Put(v1::RegistryRecord record,
                            const std::optional<Entry>& replaces) override;
  absl::Status Remove(const Entry& entry) override;
  absl::Status RemoveFromIndex(const std::string& node, const Uuid& vm) override;
  absl::StatusOr<std::vector<Uuid>> ListNode(const std::string& node, const Uuid& after,
                                             size_t limit) override;

 private:
  const std::shared_ptr<MemoryRecords> records_;
  hypervisor::MemoryFaults faults_;
};

}  // namespace hvagent::registry

#endif  // HVAGENT_AGENT_REGISTRY_MEMORY_REGISTRY_H_
