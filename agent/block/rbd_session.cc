#include "agent/block/rbd_session.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/block/block_error.h"
#include "agent/block/rbd_error.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

// What asking the monitors returned. Where they do not answer nothing is left in doubt.
absl::Status FromMonitors(int result, absl::string_view action, absl::string_view entity) {
  if (result != -ETIMEDOUT) return CephStatus(result, action, entity);
  absl::Status status = Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE",
                              absl::StrCat("cannot ", action, ": the monitors do not answer"));
  SetRawCode(status, "ceph", -result);
  return status;
}

absl::Status ConnectStatus(int result, const RbdOptions& options) {
  const std::string key =
      absl::StrCat("the key of ", options.entity,
                   options.keyring_file.empty() ? "" : absl::StrCat(" in ", options.keyring_file));
  switch (result) {
    case -EACCES:
    case -EPERM:
      return Error(absl::StatusCode::kUnauthenticated, "CEPH_KEY",
                   absl::StrCat("the monitors refuse ", key));
    case -ENOENT:
      return Error(absl::StatusCode::kUnauthenticated, "CEPH_KEY",
                   absl::StrCat(key, " is not there"));
    default:
      return FromMonitors(result, "connect", options.entity);
  }
}

}  // namespace

absl::Status Configure(const ClusterHandle& client, const char* name, const std::string& value) {
  const int result = rados_conf_set(client.get(), name, value.c_str());
  return CephStatus(result, absl::StrCat("set librados's ", name), "this process");
}

absl::StatusOr<ClusterHandle> MakeClient(const RbdOptions& options, const std::string& entity) {
  rados_t handle = nullptr;
  RETURN_IF_ERROR(
      CephStatus(rados_create2(&handle, "ceph", entity.c_str(), 0), "make a Ceph client", entity));
  ClusterHandle client(handle);
  RETURN_IF_ERROR(
      CephStatus(rados_conf_read_file(
                     handle, options.config_file.empty() ? nullptr : options.config_file.c_str()),
                 absl::StrCat("read Ceph's configuration ", options.config_file), entity));
  const auto seconds = [](absl::Duration timeout) {
    return absl::StrCat(
        std::max<int64_t>(1, absl::ToInt64Seconds(absl::Ceil(timeout, absl::Seconds(1)))));
  };
  // The first two are 0 by default, which is for ever.
  RETURN_IF_ERROR(Configure(client, "rados_osd_op_timeout", seconds(options.op_timeout)));
  RETURN_IF_ERROR(Configure(client, "rados_mon_op_timeout", seconds(options.mon_timeout)));
  RETURN_IF_ERROR(Configure(client, "client_mount_timeout", seconds(options.mon_timeout)));
  return client;
}

absl::StatusOr<std::shared_ptr<RadosSession>> RadosSession::Connect(const RbdOptions& options) {
  const std::string& entity = options.entity;
  ASSIGN_OR_RETURN(ClusterHandle cluster, MakeClient(options, entity));
  if (!options.keyring_file.empty()) {
    RETURN_IF_ERROR(Configure(cluster, "keyring", options.keyring_file));
  }
  // Guests profit from a cache; an import only copies its data once more for it.
  RETURN_IF_ERROR(Configure(cluster, "rbd_cache", "false"));
  // Of the objects of one image that are asked about at once, where it is compared or flattened.
  RETURN_IF_ERROR(Configure(cluster, "rbd_concurrent_management_ops", "20"));
  // Writes are copied, though that is librbd's default: RbdImageWriter relies on it. One that timed
  // out may be sent again later, and must not find its memory used for something else.
  RETURN_IF_ERROR(Configure(cluster, "rbd_disable_zero_copy_writes", "true"));
  RETURN_IF_ERROR(ConnectStatus(rados_connect(cluster.get()), options));
  char* address = nullptr;
  RETURN_IF_ERROR(
      CephStatus(rados_getaddrs(cluster.get(), &address), "get its own address", entity));
  std::shared_ptr<RadosSession> session(new RadosSession(std::move(cluster), entity, address));
  rados_buffer_free(address);
  return session;
}

absl::StatusOr<PoolHandle> RadosSession::OpenPool(const std::string& pool,
                                                  const std::string& rados_namespace) const {
  // For a pool that is not in our OSD map librados asks the monitors for a newer one, without any
  // time limit. So ask them first with one.
  const std::vector<std::string> known = Pools();
  if (std::find(known.begin(), known.end(), pool) == known.end()) RETURN_IF_ERROR(AskForPool(pool));
  rados_ioctx_t handle = nullptr;
  const int result = rados_ioctx_create(cluster_.get(), pool.c_str(), &handle);
  if (result == -ENOENT) return PoolNotFound(pool);
  RETURN_IF_ERROR(CephStatus(result, absl::StrCat("open pool ", pool), entity_));
  rados_ioctx_set_namespace(handle, rados_namespace.c_str());
  // A write to a pool that is full fails at once, instead of waiting for room until its timeout.
  rados_set_pool_full_try(handle);
  return PoolHandle(handle);
}

int RadosSession::CloneFormat() const {
  constexpr int8_t kMimic = 13;
  std::string configured(8, '\0');
  rados_conf_get(cluster_.get(), "rbd_default_clone_format", configured.data(), configured.size());
  if (configured[0] == '1') return 1;
  if (configured[0] == '2') return 2;
  int8_t oldest_needed = 0;
  int8_t oldest_allowed = 0;
  rados_get_min_compatible_client(cluster_.get(), &oldest_needed, &oldest_allowed);
  return std::max(oldest_needed, oldest_allowed) >= kMimic ? 2 : 1;
}

std::vector<std::string> RadosSession::Pools() const {
  // Names, each with a NUL after it, and one more NUL at the end.
  std::string names(1024, '\0');
  int size = rados_pool_list(cluster_.get(), names.data(), names.size());
  if (size > static_cast<int>(names.size())) {
    names.resize(size);
    size = rados_pool_list(cluster_.get(), names.data(), names.size());
  }
  if (size <= 0) return {};
  return absl::StrSplit(names, '\0', absl::SkipEmpty());
}

absl::Status RadosSession::AskForPool(const std::string& pool) const {
  ASSIGN_OR_RETURN(
      std::string names,
      AskMonitors("the list of pools", R"({"prefix": "osd pool ls", "format": "plain"})"));
  const std::vector<absl::string_view> list = absl::StrSplit(names, '\n');
  return std::find(list.begin(), list.end(), pool) != list.end() ? absl::OkStatus()
                                                                 : PoolNotFound(pool);
}

absl::StatusOr<std::string> RadosSession::AskForMonMap() const {
  return AskMonitors("their map", R"({"prefix": "mon dump", "format": "json"})");
}

absl::StatusOr<std::string> RadosSession::AskMonitors(absl::string_view what,
                                                      const std::string& command) const {
  const char* line = command.c_str();
  char* output = nullptr;
  size_t output_size = 0;
  const int result =
      rados_mon_command(cluster_.get(), &line, 1, "", 0, &output, &output_size, nullptr, nullptr);
  std::string answer(output == nullptr ? "" : output, output_size);
  if (output != nullptr) explicit_bzero(output, output_size);  // it may be a key
  rados_buffer_free(output);
  RETURN_IF_ERROR(FromMonitors(result, absl::StrCat("ask the monitors for ", what), entity_));
  return answer;
}

absl::Status RadosSession::Fence(const std::string& address) const {
  constexpr uint32_t kExpirySeconds = 3600;
  std::string client = address;
  // It returns when our own OSD map has the entry, so each OSD that gets an operation of ours
  // learns of it first.
  return CephStatus(rados_blocklist_add(cluster_.get(), client.data(), kExpirySeconds),
                    absl::StrCat("blocklist ", address), entity_);
}

}  // namespace hvagent::block
