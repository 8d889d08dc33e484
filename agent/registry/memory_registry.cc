#include "agent/registry/memory_registry.h"

#include "agent/registry/record.h"
#include "base/status_macros.h"

namespace hvagent::registry {

std::optional<MemoryRecords::Object> MemoryRecords::Read(const Uuid& vm) const {
  MutexLock lock(mutex_);
  const auto found = objects_.find(vm);
  if (found == objects_.end()) return std::nullopt;
  return found->second;
}

std::optional<uint64_t> MemoryRecords::Write(const Uuid& vm, std::string bytes,
                                             std::optional<uint64_t> replaces) {
  MutexLock lock(mutex_);
  const auto found = objects_.find(vm);
  std::optional<uint64_t> standing;
  if (found != objects_.end()) standing = found->second.version;
  if (standing != replaces) return std::nullopt;
  objects_[vm] = {.bytes = std::move(bytes), .version = ++last_version_};
  return last_version_;
}

bool MemoryRecords::Remove(const Uuid& vm, uint64_t version) {
  MutexLock lock(mutex_);
  const auto found = objects_.find(vm);
  if (found == objects_.end()) return true;
  if (found->second.version != version) return false;
  objects_.erase(found);
  return true;
}

void MemoryRecords::AddToIndex(const std::string& node, const Uuid& vm) {
  MutexLock lock(mutex_);
  index_[node].insert(vm);
}

void MemoryRecords::RemoveFromIndex(const std::string& node, const Uuid& vm) {
  MutexLock lock(mutex_);
  index_[node].erase(vm);
}

std::vector<Uuid> MemoryRecords::ListIndex(const std::string& node, const Uuid& after,
                                           size_t limit) const {
  MutexLock lock(mutex_);
  std::vector<Uuid> vms;
  const auto found = index_.find(node);
  if (found == index_.end()) return vms;
  for (auto next = found->second.upper_bound(after);
       next != found->second.end() && vms.size() < limit; ++next) {
    vms.push_back(*next);
  }
  return vms;
}

absl::StatusOr<std::optional<Entry>> MemoryRegistry::Get(const Uuid& vm) {
  return faults_.Run([&]() -> absl::StatusOr<std::optional<Entry>> {
    const std::optional<MemoryRecords::Object> object = records_->Read(vm);
    if (!object.has_value()) return std::nullopt;
    ASSIGN_OR_RETURN(v1::RegistryRecord record, Decode(vm, object->bytes));
    return Entry{.record = std::move(record), .version = object->version};
  });
}

absl::StatusOr<Entry> MemoryRegistry::Put(v1::RegistryRecord record,
                                          const std::optional<Entry>& replaces) {
  RETURN_IF_ERROR(CheckPut(record, replaces));
  record.set_format(kRecordFormat);
  ASSIGN_OR_RETURN(const Uuid vm, Uuid::Parse(record.spec().uuid()));
  const bool moves = !replaces.has_value() || replaces->record.node() != record.node();
  if (moves) {
    RETURN_IF_ERROR(faults_.Run([&] {
      records_->AddToIndex(record.node(), vm);
      return absl::OkStatus();
    }));
  }
  ASSIGN_OR_RETURN(const uint64_t version, faults_.Run([&]() -> absl::StatusOr<uint64_t> {
    const auto expected =
        replaces.has_value() ? std::optional<uint64_t>(replaces->version) : std::nullopt;
    const std::optional<uint64_t> written = records_->Write(vm, Encode(record), expected);
    if (!written.has_value()) return RecordChanged(vm);
    return *written;
  }));
  // The record is written: what is left in the former node's index is legal.
  if (moves && replaces.has_value()) RemoveFromIndex(replaces->record.node(), vm).IgnoreError();
  return Entry{.record = std::move(record), .version = version};
}

absl::Status MemoryRegistry::Remove(const Entry& entry) {
  ASSIGN_OR_RETURN(const Uuid vm, Uuid::Parse(entry.record.spec().uuid()));
  RETURN_IF_ERROR(faults_.Run(
      [&] { return records_->Remove(vm, entry.version) ? absl::OkStatus() : RecordChanged(vm); }));
  return RemoveFromIndex(entry.record.node(), vm);
}

absl::Status MemoryRegistry::RemoveFromIndex(const std::string& node, const Uuid& vm) {
  return faults_.Run([&] {
    records_->RemoveFromIndex(node, vm);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<Uuid>> MemoryRegistry::ListNode(const std::string& node,
                                                           const Uuid& after, size_t limit) {
  return faults_.Run([&]() -> absl::StatusOr<std::vector<Uuid>> {
    return records_->ListIndex(node, after, limit);
  });
}

}  // namespace hvagent::registry
