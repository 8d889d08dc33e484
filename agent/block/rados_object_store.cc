#include "agent/block/rados_object_store.h"

#include <rados/librados.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "agent/block/block_error.h"
#include "agent/block/rbd_error.h"
#include "agent/block/rbd_handles.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

constexpr size_t kReadBytes = 1 << 20;

absl::Status ObjectStatus(int result, absl::string_view verb, const ObjectName& object,
                          const RadosSession& session) {
  if (result == -ENOENT) return ObjectNotFound(object);
  return CephStatus(result, absl::StrCat(verb, " object ", object.ToString()), session.entity());
}

}  // namespace

template <typename Fill>
absl::Status RadosObjectStore::Change(const ObjectName& object, absl::string_view verb, Fill fill) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(object.pool));
    const WriteOpHandle op(rados_create_write_op());
    fill(op.get());
    // Answers at once where the pool is full, instead of waiting for room.
    const int result = rados_write_op_operate(op.get(), pool.get(), object.name.c_str(), nullptr,
                                              LIBRADOS_OPERATION_FULL_TRY);
    return ObjectStatus(result, verb, object, session);
  });
}

absl::StatusOr<std::string> RadosObjectStore::Read(const ObjectName& object) {
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(object.pool));
    std::string data;
    int result = 0;
    do {
      const size_t had = data.size();
      data.resize(had + kReadBytes);
      result = rados_read(pool.get(), object.name.c_str(), &data[had], kReadBytes, had);
      RETURN_IF_ERROR(ObjectStatus(result, "read", object, session));
      data.resize(had + result);
    } while (result == static_cast<int>(kReadBytes));
    return data;
  });
}

absl::Status RadosObjectStore::Write(const ObjectName& object, absl::string_view data) {
  return Change(object, "write", [&](rados_write_op_t op) {
    rados_write_op_write_full(op, data.data(), data.size());
  });
}

absl::Status RadosObjectStore::Remove(const ObjectName& object) {
  const absl::Status removed =
      Change(object, "remove", [](rados_write_op_t op) { rados_write_op_remove(op); });
  return removed == ObjectNotFound(object) ? absl::OkStatus() : removed;
}

absl::Status RadosObjectStore::SetEntries(const ObjectName& object, const Entries& entries) {
  std::vector<const char*> keys, values;
  std::vector<size_t> key_sizes, value_sizes;
  for (const auto& [key, value] : entries) {
    keys.push_back(key.data());
    key_sizes.push_back(key.size());
    values.push_back(value.data());
    value_sizes.push_back(value.size());
  }
  return Change(object, "write", [&](rados_write_op_t op) {
    rados_write_op_omap_set2(op, keys.data(), values.data(), key_sizes.data(), value_sizes.data(),
                             keys.size());
  });
}

absl::Status RadosObjectStore::RemoveEntries(const ObjectName& object,
                                             const std::vector<std::string>& keys) {
  std::vector<const char*> names;
  std::vector<size_t> sizes;
  for (const std::string& key : keys) {
    names.push_back(key.data());
    sizes.push_back(key.size());
  }
  const absl::Status removed = Change(object, "write", [&](rados_write_op_t op) {
    rados_write_op_omap_rm_keys2(op, names.data(), sizes.data(), names.size());
  });
  return removed == ObjectNotFound(object) ? absl::OkStatus() : removed;
}

absl::StatusOr<ObjectStore::Entries> RadosObjectStore::ListEntries(const ObjectName& object,
                                                                   const std::string& prefix,
                                                                   const std::string& after,
                                                                   size_t limit) {
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<Entries> {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(object.pool));
    Entries entries;
    std::string last = after;
    bool more = true;
    // One answer has no more entries than the OSD likes.
    while (more && entries.size() < limit) {
      const ReadOpHandle op(rados_create_read_op());
      rados_omap_iter_t handle = nullptr;
      unsigned char has_more = 0;
      int ignored = 0;
      rados_read_op_omap_get_vals2(op.get(), last.c_str(), prefix.c_str(), limit - entries.size(),
                                   &handle, &has_more, &ignored);
      const OmapIteratorHandle values(handle);
      const int result = rados_read_op_operate(op.get(), pool.get(), object.name.c_str(), 0);
      if (result == -ENOENT) return Entries();
      RETURN_IF_ERROR(ObjectStatus(result, "list", object, session));
      char *key = nullptr, *value = nullptr;
      size_t key_size = 0, value_size = 0;
      while (rados_omap_get_next2(values.get(), &key, &value, &key_size, &value_size) == 0 &&
             key != nullptr) {
        last.assign(key, key_size);
        entries[last].assign(value, value_size);
      }
      more = has_more != 0;
    }
    return entries;
  });
}

}  // namespace hvagent::block
