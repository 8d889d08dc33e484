#include "agent/registry/rados_registry.h"

#include <rados/librados.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "agent/block/rbd_error.h"
#include "agent/block/rbd_handles.h"
#include "agent/registry/record.h"
#include "base/status_macros.h"

namespace hvagent::registry {
namespace {

using block::OmapIteratorHandle;
using block::PoolHandle;
using block::RadosSession;
using block::ReadOpHandle;
using block::WriteOpHandle;

// A record is some hundred bytes, unless its spec carries much cloud-init, which may have 1 MiB.
constexpr size_t kUsualBytes = 8 << 10;
constexpr size_t kMaxBytes = 4 << 20;
// An OSD lists no more at once.
constexpr size_t kPage = 1000;

std::string RecordObject(const Uuid& vm) { return absl::StrCat("vm.", vm.ToString()); }
std::string IndexObject(absl::string_view node) { return absl::StrCat("node.", node); }

absl::Status ObjectStatus(int result, absl::string_view verb, absl::string_view object,
                          const RadosSession& session) {
  return block::CephStatus(result, absl::StrCat(verb, " object ", object, " of the agents' pool"),
                           session.entity());
}

// Answers at once where the pool is full, instead of waiting for room.
int Operate(const WriteOpHandle& op, const PoolHandle& pool, const std::string& object) {
  return rados_write_op_operate(op.get(), pool.get(), object.c_str(), nullptr,
                                LIBRADOS_OPERATION_FULL_TRY);
}

// Whether an operation that asserted an object's version, or that there was none, found otherwise.
bool IsConflict(int result) {
  return result == -EEXIST || result == -ENOENT || result == -ERANGE || result == -EOVERFLOW;
}

absl::Status AddToIndex(const RadosSession& session, const PoolHandle& pool,
                        const std::string& node, const Uuid& vm) {
  const std::string object = IndexObject(node), key = vm.ToString();
  const char *keys = key.data(), *values = "";
  const size_t key_size = key.size(), value_size = 0;
  const WriteOpHandle op(rados_create_write_op());
  rados_write_op_omap_set2(op.get(), &keys, &values, &key_size, &value_size, 1);
  return ObjectStatus(Operate(op, pool, object), "write", object, session);
}

absl::Status TakeFromIndex(const RadosSession& session, const PoolHandle& pool,
                           const std::string& node, const Uuid& vm) {
  const std::string object = IndexObject(node), key = vm.ToString();
  const char* keys = key.data();
  const size_t key_size = key.size();
  const WriteOpHandle op(rados_create_write_op());
  rados_write_op_assert_exists(op.get());  // or an index would be made just to take from it
  rados_write_op_omap_rm_keys2(op.get(), &keys, &key_size, 1);
  const int result = Operate(op, pool, object);
  if (result == -ENOENT) return absl::OkStatus();
  return ObjectStatus(result, "write", object, session);
}

}  // namespace

absl::StatusOr<std::optional<Entry>> RadosRegistry::Get(const Uuid& vm) {
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<std::optional<Entry>> {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(pool_));
    const std::string object = RecordObject(vm);
    std::string bytes;
    // One operation reads all of it, so that nobody's change falls between two halves.
    for (const size_t room : {kUsualBytes, kMaxBytes}) {
      bytes.resize(room);
      const int result = rados_read(pool.get(), object.c_str(), bytes.data(), room, 0);
      if (result == -ENOENT) return std::nullopt;
      RETURN_IF_ERROR(ObjectStatus(result, "read", object, session));
      bytes.resize(static_cast<size_t>(result));
      if (bytes.size() < room) break;
    }
    const uint64_t version = rados_get_last_version(pool.get());
    ASSIGN_OR_RETURN(v1::RegistryRecord record, Decode(vm, bytes));
    return Entry{.record = std::move(record), .version = version};
  });
}

absl::StatusOr<Entry> RadosRegistry::Put(v1::RegistryRecord record,
                                         const std::optional<Entry>& replaces) {
  RETURN_IF_ERROR(CheckPut(record, replaces));
  record.set_format(kRecordFormat);
  const std::string bytes = Encode(record);
  ASSIGN_OR_RETURN(const Uuid vm, Uuid::Parse(record.spec().uuid()));
  const bool moves = !replaces.has_value() || replaces->record.node() != record.node();
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<Entry> {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(pool_));
    if (moves) RETURN_IF_ERROR(AddToIndex(session, pool, record.node(), vm));

    const WriteOpHandle op(rados_create_write_op());
    if (replaces.has_value()) {
      rados_write_op_assert_version(op.get(), replaces->version);
    } else {
      rados_write_op_create(op.get(), LIBRADOS_CREATE_EXCLUSIVE, nullptr);
    }
    rados_write_op_write_full(op.get(), bytes.data(), bytes.size());
    const std::string object = RecordObject(vm);
    const int result = Operate(op, pool, object);
    if (IsConflict(result)) return RecordChanged(vm);
    RETURN_IF_ERROR(ObjectStatus(result, "write", object, session));
    const uint64_t version = rados_get_last_version(pool.get());

    // The record is written: what is left in the former node's index is legal.
    if (moves && replaces.has_value()) {
      TakeFromIndex(session, pool, replaces->record.node(), vm).IgnoreError();
    }
    return Entry{.record = record, .version = version};
  });
}

absl::Status RadosRegistry::Remove(const Entry& entry) {
  ASSIGN_OR_RETURN(const Uuid vm, Uuid::Parse(entry.record.spec().uuid()));
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(pool_));
    const WriteOpHandle op(rados_create_write_op());
    rados_write_op_assert_exists(op.get());
    rados_write_op_assert_version(op.get(), entry.version);
    rados_write_op_remove(op.get());
    const std::string object = RecordObject(vm);
    const int result = Operate(op, pool, object);
    if (result != -ENOENT) {
      if (IsConflict(result)) return RecordChanged(vm);
      RETURN_IF_ERROR(ObjectStatus(result, "remove", object, session));
    }
    return TakeFromIndex(session, pool, entry.record.node(), vm);
  });
}

absl::Status RadosRegistry::RemoveFromIndex(const std::string& node, const Uuid& vm) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(pool_));
    return TakeFromIndex(session, pool, node, vm);
  });
}

absl::StatusOr<std::vector<Uuid>> RadosRegistry::ListNode(const std::string& node,
                                                          const Uuid& after, size_t limit) {
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<std::vector<Uuid>> {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(pool_));
    const std::string object = IndexObject(node);
    std::vector<Uuid> vms;
    std::string last = after.is_nil() ? "" : after.ToString();
    bool more = true;
    while (more && vms.size() < limit) {
      const ReadOpHandle op(rados_create_read_op());
      rados_omap_iter_t handle = nullptr;
      unsigned char has_more = 0;
      int ignored = 0;
      rados_read_op_omap_get_keys2(op.get(), last.c_str(), std::min(kPage, limit - vms.size()),
                                   &handle, &has_more, &ignored);
      const OmapIteratorHandle keys(handle);
      const int result = rados_read_op_operate(op.get(), pool.get(), object.c_str(), 0);
      if (result == -ENOENT) return vms;
      RETURN_IF_ERROR(ObjectStatus(result, "list", object, session));
      char *key = nullptr, *value = nullptr;
      size_t key_size = 0, value_size = 0;
      while (rados_omap_get_next2(keys.get(), &key, &value, &key_size, &value_size) == 0 &&
             key != nullptr) {
        last.assign(key, key_size);
        // Nothing of ours writes another key; one that is there names no VM of this node.
        if (const auto vm = Uuid::Parse(last); vm.ok()) vms.push_back(*vm);
      }
      more = has_more != 0;
    }
    return vms;
  });
}

}  // namespace hvagent::registry
