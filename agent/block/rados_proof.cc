#include "agent/block/rados_proof.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/block/key_error.h"
#include "agent/block/rbd_handles.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "secrets/secret_bytes.h"

namespace hvagent::block {
namespace {

using secrets::CephKey;

// Over whatever the node's ceph.conf says.
constexpr std::pair<const char*, const char*> kSettings[] = {
    // This key or none: no keyring of the node's may stand in for it, and a cluster that lets
    // everybody in must not pass for one that knows it.
    {"keyring", ""},
    {"keyfile", ""},
    {"auth_supported", "cephx"},
    // An admin socket shows the whole configuration, the key included.
    {"admin_socket", ""},
    {"log_file", ""},
    {"log_to_stderr", "false"},
    {"err_to_stderr", "false"},
    {"log_to_syslog", "false"},
    {"err_to_syslog", "false"},
    {"debug_auth", "0/0"},
    {"debug_monc", "0/0"},
    {"debug_ms", "0/0"},
    // It says little and is soon gone.
    {"ms_async_op_threads", "1"},
};

absl::Status NoVerdict(absl::string_view entity, absl::string_view why) {
  return Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE",
               absl::StrCat("cannot prove the key of ", entity, ": ", why));
}

absl::Status Verdict(int result, absl::string_view entity, const CephKey& key) {
  switch (result) {
    case 0:
      return absl::OkStatus();
    case -EACCES:
    case -EPERM:
      return KeyRefused(entity);
    case -ETIMEDOUT:
      return NoVerdict(entity, "the monitors do not answer");
    case -EINVAL:
      // librados finds the key malformed, and only one of a type that it does not know can be.
      if (key.type() != CephKey::Type::kAes) {
        return Error(absl::StatusCode::kUnimplemented, "CEPH_KEY_TYPE",
                     absl::StrCat("the key of ", entity,
                                  " is of a type that this node's Ceph libraries are too old for: "
                                  "upgrade them, or use a key of type aes"));
      }
      [[fallthrough]];
    default:
      return NoVerdict(entity, std::generic_category().message(-result));
  }
}

// A client that is to connect with `key` and with nothing else.
absl::StatusOr<ClusterHandle> ClientWith(const CephKey& key, const RbdOptions& options,
                                         const std::string& entity) {
  ASSIGN_OR_RETURN(ClusterHandle client, MakeClient(options, entity));
  for (const auto& [name, value] : kSettings) RETURN_IF_ERROR(Configure(client, name, value));
  std::string text = absl::Base64Escape(key.value().Reveal());
  const absl::Cleanup wipes = [&text] { secrets::WipeString(text); };
  RETURN_IF_ERROR(Configure(client, "key", text));
  return client;
}

}  // namespace

absl::Status ProveKey(const RbdOptions& options, const std::string& entity, const CephKey& key) {
  const absl::StatusOr<ClusterHandle> client = ClientWith(key, options, entity);
  if (!client.ok()) return NoVerdict(entity, client.status().message());
  return Verdict(rados_connect(client->get()), entity, key);
}

}  // namespace hvagent::block
