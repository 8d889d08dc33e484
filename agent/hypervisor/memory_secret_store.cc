#include "agent/hypervisor/memory_secret_store.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::hypervisor {
namespace {

using secrets::SecretBytes;
using secrets::SecretRecord;

absl::Status NotFound(const Uuid& uuid) {
  return Error(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND",
               absl::StrCat("there is no ceph secret ", uuid.ToString()));
}

absl::Status NoValue(const Uuid& uuid) {
  return Error(absl::StatusCode::kNotFound, "SECRET_HAS_NO_VALUE",
               absl::StrCat("secret ", uuid.ToString(), " has no value; set it"));
}

absl::Status Conflict(const SecretRecord& owner, absl::string_view why) {
  return Error(absl::StatusCode::kAlreadyExists, "SECRET_CONFLICT",
               absl::StrCat("secret ", owner.uuid.ToString(), " with usage \"", owner.usage, "\" ",
                            why, ", which cannot be changed: undefine that secret first"));
}

}  // namespace

absl::StatusOr<std::vector<SecretRecord>> MemorySecretStore::List() {
  return faults_->Run([this]() -> absl::StatusOr<std::vector<SecretRecord>> {
    MutexLock lock(mutex_);
    std::vector<SecretRecord> records;
    for (const auto& [uuid, secret] : secrets_) records.push_back(secret.record);
    return records;
  });
}

absl::Status MemorySecretStore::Define(const SecretRecord& record) {
  return faults_->Run([&] { return DefineRecord(record); });
}

absl::Status MemorySecretStore::DefineRecord(const SecretRecord& record) {
  MutexLock lock(mutex_);
  for (const auto& [uuid, secret] : secrets_) {
    const bool same_uuid = uuid == record.uuid;
    const bool same_usage = secret.record.usage == record.usage;
    if (same_uuid && !same_usage) {
      return Conflict(secret.record, "has that UUID with another usage");
    }
    if (same_usage && !same_uuid) {
      return Conflict(secret.record, "has that usage with another UUID");
    }
    if (same_uuid && secret.record.is_private && !record.is_private) {
      return Conflict(secret.record, "is private");
    }
  }
  secrets_[record.uuid].record = record;
  events_.Post(record.uuid);
  return absl::OkStatus();
}

absl::Status MemorySecretStore::SetValue(const Uuid& uuid, const SecretBytes& value) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    const auto found = secrets_.find(uuid);
    if (found == secrets_.end()) return NotFound(uuid);
    if (value.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the value of secret ", uuid.ToString(), " must not be empty"));
    }
    found->second.value = value.Clone();
    events_.Post(uuid);
    return absl::OkStatus();
  });
}

absl::StatusOr<SecretBytes> MemorySecretStore::GetValue(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::StatusOr<SecretBytes> {
    MutexLock lock(mutex_);
    const auto found = secrets_.find(uuid);
    if (found == secrets_.end()) return NotFound(uuid);
    if (found->second.record.is_private) {
      return Error(absl::StatusCode::kPermissionDenied, "SECRET_IS_PRIVATE",
                   absl::StrCat("secret ", uuid.ToString(), " is private"));
    }
    if (found->second.value.empty()) return NoValue(uuid);
    return found->second.value.Clone();
  });
}

absl::Status MemorySecretStore::Undefine(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    if (secrets_.erase(uuid) == 0) return NotFound(uuid);
    events_.Post(uuid);
    return absl::OkStatus();
  });
}

void MemorySecretStore::SetListener(secrets::SecretListener listener) {
  events_.SetListener(std::move(listener));
}

absl::Status MemorySecretStore::CheckUsable(const Uuid& uuid) const {
  MutexLock lock(mutex_);
  const auto found = secrets_.find(uuid);
  if (found == secrets_.end()) return NotFound(uuid);
  return found->second.value.empty() ? NoValue(uuid) : absl::OkStatus();
}

void MemorySecretStore::LoseEphemeral() {
  MutexLock lock(mutex_);
  std::erase_if(secrets_, [](const auto& entry) { return entry.second.record.ephemeral; });
  events_.Post(std::nullopt);
}

}  // namespace hvagent::hypervisor
