#include "agent/block/memory_object_store.h"

#include "absl/strings/match.h"
#include "agent/block/block_error.h"
#include "base/status_macros.h"

namespace hvagent::block {

void MemoryObjectStore::CreatePool(const std::string& pool) {
  MutexLock lock(mutex_);
  pools_.insert(pool);
}

std::vector<std::string> MemoryObjectStore::List(const std::string& pool) const {
  MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, object] : objects_) {
    if (name.pool == pool) names.push_back(name.name);
  }
  return names;
}

absl::Status MemoryObjectStore::CheckPool(const std::string& pool) const {
  return pools_.count(pool) > 0 ? absl::OkStatus() : PoolNotFound(pool);
}

absl::StatusOr<std::string> MemoryObjectStore::Read(const ObjectName& object) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckPool(object.pool));
  const auto found = objects_.find(object);
  if (found == objects_.end()) return ObjectNotFound(object);
  return found->second.data;
}

absl::Status MemoryObjectStore::Write(const ObjectName& object, absl::string_view data) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckPool(object.pool));
  objects_[object].data = std::string(data);
  return absl::OkStatus();
}

absl::Status MemoryObjectStore::Remove(const ObjectName& object) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckPool(object.pool));
  objects_.erase(object);
  return absl::OkStatus();
}

absl::Status MemoryObjectStore::SetEntries(const ObjectName& object, const Entries& entries) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckPool(object.pool));
  Entries& kept = objects_[object].entries;
  for (const auto& [key, value] : entries) kept[key] = value;
  return absl::OkStatus();
}

absl::Status MemoryObjectStore::RemoveEntries(const ObjectName& object,
                                              const std::vector<std::string>& keys) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckPool(object.pool));
  const auto found = objects_.find(object);
  if (found == objects_.end()) return absl::OkStatus();
  for (const std::string& key : keys) found->second.entries.erase(key);
  return absl::OkStatus();
}

absl::StatusOr<ObjectStore::Entries> MemoryObjectStore::ListEntries(const ObjectName& object,
                                                                    const std::string& prefix,
                                                                    const std::string& after,
                                                                    size_t limit) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckPool(object.pool));
  Entries listed;
  const auto found = objects_.find(object);
  if (found == objects_.end()) return listed;
  const Entries& entries = found->second.entries;
  for (auto next = after < prefix ? entries.lower_bound(prefix) : entries.upper_bound(after);
       next != entries.end() && absl::StartsWith(next->first, prefix) && listed.size() < limit;
       ++next) {
    listed.insert(*next);
  }
  return listed;
}

}  // namespace hvagent::block
