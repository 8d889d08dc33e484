// ObjectStore in memory: for `agentd --backend=memory` and for tests. Nothing blocks.
#ifndef HVAGENT_AGENT_BLOCK_MEMORY_OBJECT_STORE_H_
#define HVAGENT_AGENT_BLOCK_MEMORY_OBJECT_STORE_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/block/object_store.h"
#include "base/mutex.h"

namespace hvagent::block {

class MemoryObjectStore : public ObjectStore {
 public:
  void CreatePool(const std::string& pool);
  // The names of the objects of `pool`.
  std::vector<std::string> List(const std::string& pool) const;

  absl::StatusOr<std::string> Read(const ObjectName& object) override;
  absl::Status Write(const ObjectName& object, absl::string_view data) override;
  absl::Status Remove(const ObjectName& object) override;
  absl::Status SetEntries(const ObjectName& object, const Entries& entries) override;
  absl::Status RemoveEntries(const ObjectName& object,
                             const std::vector<std::string>& keys) override;
  absl::StatusOr<Entries> ListEntries(const ObjectName& object, const std::string& prefix,
                                      const std::string& after, size_t limit) override;

 private:
  struct Object {
    std::string data;
    Entries entries;
  };

  absl::Status CheckPool(const std::string& pool) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::set<std::string> pools_ ABSL_GUARDED_BY(mutex_);
  std::map<ObjectName, Object> objects_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_MEMORY_OBJECT_STORE_H_
