#include "agent/block/memory_cluster_keys.h"

#include "absl/strings/str_cat.h"
#include "agent/block/key_error.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

using secrets::CephKey;
using secrets::SecretBytes;
using secrets::SecretClaim;

constexpr char kAgent[] = "client.hvagent";
constexpr size_t kSaltSize = 32;

SecretBytes SaltOf(absl::string_view fsid) {
  std::string salt(fsid.substr(0, kSaltSize));
  salt.resize(kSaltSize, '.');
  return SecretBytes(salt);
}

}  // namespace

MemoryCluster::MemoryCluster(absl::string_view fsid, Strangers strangers)
    : salt_(SaltOf(fsid)), strangers_(strangers) {}

void MemoryCluster::SetKey(const std::string& entity, const CephKey& key) {
  MutexLock lock(mutex_);
  keys_.insert_or_assign(entity, key.Clone());
}

void MemoryCluster::RemoveEntity(const std::string& entity) {
  MutexLock lock(mutex_);
  keys_.erase(entity);
}

absl::Status MemoryCluster::Prove(const std::string& entity, const CephKey& key) {
  MutexLock lock(mutex_);
  auto known = keys_.find(entity);
  if (known == keys_.end() && strangers_ == Strangers::kTakenIn) {
    known = keys_.emplace(entity, key.Clone()).first;
  }
  if (known == keys_.end() || !known->second.value().Equals(key.value())) return KeyRefused(entity);
  return absl::OkStatus();
}

absl::StatusOr<CephKey> MemoryCluster::Fetch(const std::string& entity) const {
  MutexLock lock(mutex_);
  const auto known = keys_.find(entity);
  if (known == keys_.end()) return EntityNotFound(entity);
  return known->second.Clone();
}

SecretBytes MemoryCluster::FingerprintSalt() const { return salt_.Clone(); }

std::optional<SecretClaim> MemoryCluster::GetClaim(const std::string& entity) const {
  MutexLock lock(mutex_);
  const auto standing = claims_.find(entity);
  if (standing == claims_.end()) return std::nullopt;
  return standing->second;
}

absl::Status MemoryCluster::Claim(const std::string& entity, const SecretClaim& wanted,
                                  const std::optional<Uuid>& replaces) {
  MutexLock lock(mutex_);
  const auto found = claims_.find(entity);
  std::optional<SecretClaim> standing;
  if (found != claims_.end()) standing = found->second;
  if (standing == wanted) return absl::OkStatus();
  const std::optional<Uuid> uuid =
      standing.has_value() ? std::optional(standing->uuid) : std::nullopt;
  if (uuid != replaces) return AlreadyClaimed(entity, standing);
  claims_.insert_or_assign(entity, wanted);
  return absl::OkStatus();
}

void MemoryCluster::Unclaim(const std::string& entity, const Uuid& uuid) {
  MutexLock lock(mutex_);
  const auto standing = claims_.find(entity);
  if (standing != claims_.end() && standing->second.uuid == uuid) claims_.erase(standing);
}

void MemoryClusterKeys::SetCaps(Caps caps) {
  MutexLock lock(mutex_);
  caps_ = caps;
}

MemoryClusterKeys::Caps MemoryClusterKeys::caps() const {
  MutexLock lock(mutex_);
  return caps_;
}

absl::Status MemoryClusterKeys::CheckPoolCaps() const {
  if (caps() != Caps::kNone) return absl::OkStatus();
  return Error(absl::StatusCode::kPermissionDenied, "CEPH_CAPS",
               absl::StrCat(kAgent, " may not use the agents' pool: give it caps on that pool"));
}

absl::Status MemoryClusterKeys::Prove(const std::string& entity, const CephKey& key) {
  return faults_.Run([&] { return cluster_->Prove(entity, key); });
}

absl::StatusOr<CephKey> MemoryClusterKeys::Fetch(const std::string& entity) {
  return faults_.Run([&]() -> absl::StatusOr<CephKey> {
    if (caps() != Caps::kAll) return MayNotFetch(kAgent, entity);
    return cluster_->Fetch(entity);
  });
}

absl::StatusOr<SecretBytes> MemoryClusterKeys::FingerprintSalt() {
  return faults_.Run([&]() -> absl::StatusOr<SecretBytes> {
    RETURN_IF_ERROR(CheckPoolCaps());
    return cluster_->FingerprintSalt();
  });
}

absl::StatusOr<std::optional<SecretClaim>> MemoryClusterKeys::GetClaim(const std::string& entity) {
  return faults_.Run([&]() -> absl::StatusOr<std::optional<SecretClaim>> {
    RETURN_IF_ERROR(CheckPoolCaps());
    return cluster_->GetClaim(entity);
  });
}

absl::Status MemoryClusterKeys::Claim(const std::string& entity, const SecretClaim& wanted,
                                      const std::optional<Uuid>& replaces) {
  return faults_.Run([&]() -> absl::Status {
    RETURN_IF_ERROR(CheckPoolCaps());
    return cluster_->Claim(entity, wanted, replaces);
  });
}

absl::Status MemoryClusterKeys::Unclaim(const std::string& entity, const Uuid& uuid) {
  return faults_.Run([&]() -> absl::Status {
    RETURN_IF_ERROR(CheckPoolCaps());
    cluster_->Unclaim(entity, uuid);
    return absl::OkStatus();
  });
}

}  // namespace hvagent::block
