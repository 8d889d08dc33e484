#include "agent/block/rados_cluster_keys.h"

#include <rados/librados.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "agent/block/key_error.h"
#include "agent/block/rados_proof.h"
#include "agent/block/rbd_error.h"
#include "agent/block/rbd_handles.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

using secrets::CephKey;
using secrets::SecretBytes;
using secrets::SecretClaim;

constexpr char kSaltObject[] = "secret.salt";
constexpr size_t kSaltSize = 32;
constexpr absl::string_view kUuidKey = "uuid";
constexpr absl::string_view kUsageKey = "usage";

std::string ClaimObject(absl::string_view entity) { return absl::StrCat("secret.", entity); }

// An object of ours that does not hold what we put there.
absl::Status NotOurs(absl::string_view object, absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, "CLUSTER_RECORD",
               absl::StrCat("the object ", object, " in the agents' pool is not ", what,
                            ": somebody else has written it; remove it with `rados rm`"));
}

absl::Status ObjectStatus(int result, absl::string_view verb, absl::string_view object,
                          const RadosSession& session) {
  return CephStatus(result, absl::StrCat(verb, " object ", object, " of the agents' pool"),
                    session.entity());
}

// Answers at once where the pool is full, instead of waiting for room.
int Operate(const WriteOpHandle& op, const PoolHandle& pool, const std::string& object) {
  return rados_write_op_operate(op.get(), pool.get(), object.c_str(), nullptr,
                                LIBRADOS_OPERATION_FULL_TRY);
}

void SetOmap(const WriteOpHandle& op, const SecretClaim& claim) {
  const std::string uuid = claim.uuid.ToString();
  const std::array<const char*, 2> keys = {kUuidKey.data(), kUsageKey.data()};
  const std::array<const char*, 2> values = {uuid.data(), claim.usage.data()};
  const std::array<size_t, 2> key_sizes = {kUuidKey.size(), kUsageKey.size()};
  const std::array<size_t, 2> value_sizes = {uuid.size(), claim.usage.size()};
  rados_write_op_omap_set2(op.get(), keys.data(), values.data(), key_sizes.data(),
                           value_sizes.data(), keys.size());
}

// Makes `op` fail with ECANCELED, or ENOENT where there is no claim, unless the claim has `uuid`.
void RequireUuid(const WriteOpHandle& op, const Uuid& uuid) {
  const std::string text = uuid.ToString();
  rados_write_op_assert_exists(op.get());
  rados_write_op_omap_cmp2(op.get(), kUuidKey.data(), LIBRADOS_CMPXATTR_OP_EQ, text.data(),
                           kUuidKey.size(), text.size(), nullptr);
}

absl::StatusOr<std::optional<SecretClaim>> ReadClaim(const RadosSession& session,
                                                     const PoolHandle& pool,
                                                     const std::string& entity) {
  const std::string object = ClaimObject(entity);
  const ReadOpHandle op(rados_create_read_op());
  rados_omap_iter_t handle = nullptr;
  unsigned char more = 0;
  int ignored = 0;
  rados_read_op_omap_get_vals2(op.get(), "", "", /*max_return=*/8, &handle, &more, &ignored);
  const OmapIteratorHandle values(handle);
  const int result = rados_read_op_operate(op.get(), pool.get(), object.c_str(), 0);
  if (result == -ENOENT) return std::nullopt;
  RETURN_IF_ERROR(ObjectStatus(result, "read", object, session));

  std::optional<Uuid> uuid;
  std::optional<std::string> usage;
  char *key = nullptr, *value = nullptr;
  size_t key_size = 0, value_size = 0;
  while (rados_omap_get_next2(values.get(), &key, &value, &key_size, &value_size) == 0 &&
         key != nullptr) {
    const absl::string_view name(key, key_size), text(value, value_size);
    if (name == kUsageKey) usage = std::string(text);
    if (name != kUuidKey) continue;
    if (const auto parsed = Uuid::Parse(text); parsed.ok()) uuid = *parsed;
  }
  if (!uuid.has_value() || !usage.has_value()) return NotOurs(object, "the claim of a secret");
  return SecretClaim{*uuid, *usage};
}

// The salt, or empty where nobody has made it.
absl::StatusOr<SecretBytes> ReadSalt(const RadosSession& session, const PoolHandle& pool) {
  std::array<char, kSaltSize + 1> buffer;
  const absl::Cleanup wipes = [&buffer] { explicit_bzero(buffer.data(), buffer.size()); };
  const int result = rados_read(pool.get(), kSaltObject, buffer.data(), buffer.size(), 0);
  if (result == -ENOENT) return SecretBytes();
  RETURN_IF_ERROR(ObjectStatus(result, "read", kSaltObject, session));
  if (result != kSaltSize) return NotOurs(kSaltObject, "the salt of fingerprints");
  return SecretBytes(absl::string_view(buffer.data(), kSaltSize));
}

// Makes a salt, unless somebody else was faster.
absl::Status MakeSalt(const RadosSession& session, const PoolHandle& pool) {
  std::array<char, kSaltSize> salt;
  const absl::Cleanup wipes = [&salt] { explicit_bzero(salt.data(), salt.size()); };
  if (getentropy(salt.data(), salt.size()) != 0) std::abort();
  const WriteOpHandle op(rados_create_write_op());
  rados_write_op_create(op.get(), LIBRADOS_CREATE_EXCLUSIVE, nullptr);
  rados_write_op_write_full(op.get(), salt.data(), salt.size());
  const int result = Operate(op, pool, kSaltObject);
  if (result == -EEXIST) return absl::OkStatus();
  return ObjectStatus(result, "make", kSaltObject, session);
}

}  // namespace

absl::Status RadosClusterKeys::Prove(const std::string& entity, const CephKey& key) {
  return ProveKey(connection_.options(), entity, key);
}

absl::StatusOr<CephKey> RadosClusterKeys::Fetch(const std::string& entity) {
  const std::string command = nlohmann::json{{"prefix", "auth get-key"}, {"entity", entity}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
  absl::StatusOr<std::string> answer = connection_.Call([&](const RadosSession& session) {
    return session.AskMonitors(absl::StrCat("the key of ", entity), command);
  });
  switch (RawCode(answer.status(), "ceph").value_or(0)) {
    case EACCES:
    case EPERM:
      return MayNotFetch(connection_.options().entity, entity);
    case ENOENT:
      return EntityNotFound(entity);
    default:
      RETURN_IF_ERROR(answer.status());
  }
  const absl::Cleanup wipes = [&answer] { secrets::WipeString(*answer); };
  absl::StatusOr<CephKey> key = secrets::ParseCephKey(*answer);
  if (!key.ok()) return Annotate(key.status(), absl::StrCat("the monitors' answer, ", entity));
  return key;
}

absl::StatusOr<SecretBytes> RadosClusterKeys::FingerprintSalt() {
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<SecretBytes> {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(pool_));
    while (true) {
      ASSIGN_OR_RETURN(SecretBytes salt, ReadSalt(session, pool));
      if (!salt.empty()) return salt;
      RETURN_IF_ERROR(MakeSalt(session, pool));
    }
  });
}

absl::StatusOr<std::optional<SecretClaim>> RadosClusterKeys::GetClaim(const std::string& entity) {
  return connection_.Call(
      [&](const RadosSession& session) -> absl::StatusOr<std::optional<SecretClaim>> {
        ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(pool_));
        return ReadClaim(session, pool, entity);
      });
}

absl::Status RadosClusterKeys::Claim(const std::string& entity, const SecretClaim& wanted,
                                     const std::optional<Uuid>& replaces) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(pool_));
    const WriteOpHandle op(rados_create_write_op());
    if (replaces.has_value()) {
      RequireUuid(op, *replaces);
    } else {
      rados_write_op_create(op.get(), LIBRADOS_CREATE_EXCLUSIVE, nullptr);
    }
    SetOmap(op, wanted);
    const std::string object = ClaimObject(entity);
    const int result = Operate(op, pool, object);
    if (result != -EEXIST && result != -ENOENT && result != -ECANCELED) {
      return ObjectStatus(result, "write", object, session);
    }
    ASSIGN_OR_RETURN(const std::optional<SecretClaim> standing, ReadClaim(session, pool, entity));
    return standing == wanted ? absl::OkStatus() : AlreadyClaimed(entity, standing);
  });
}

absl::Status RadosClusterKeys::Unclaim(const std::string& entity, const Uuid& uuid) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(pool_));
    const WriteOpHandle op(rados_create_write_op());
    RequireUuid(op, uuid);
    rados_write_op_remove(op.get());
    const std::string object = ClaimObject(entity);
    const int result = Operate(op, pool, object);
    if (result == -ENOENT || result == -ECANCELED) return absl::OkStatus();
    return ObjectStatus(result, "remove", object, session);
  });
}

}  // namespace hvagent::block
