// One connection to a Ceph cluster.
#ifndef HVAGENT_AGENT_BLOCK_RBD_SESSION_H_
#define HVAGENT_AGENT_BLOCK_RBD_SESSION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/block/rbd_handles.h"

namespace hvagent::block {

struct RbdOptions {
  std::string config_file;   // empty: where librados looks by default
  std::string entity;        // "client.hvagent"
  std::string keyring_file;  // empty: as the configuration says
  // For one operation of an OSD. A call of BlockStore is made of several, but the first that times
  // out ends it. Longer than a cluster takes to notice that an OSD died (20 s).
  absl::Duration op_timeout = absl::Seconds(30);
  // For one command to the monitors, and for making a connection.
  absl::Duration mon_timeout = absl::Seconds(10);
  // How often a connection is proved to be alive.
  absl::Duration probe_interval = absl::Seconds(5);
};

// The command to the monitors for what ParseMonMap reads.
inline constexpr char kMonDump[] = R"({"prefix": "mon dump", "format": "json"})";

// Thread-safe. Its destructor takes milliseconds, and must run after all use of its pools.
class RadosSession {
 public:
  // Blocks: at most mon_timeout.
  static absl::StatusOr<std::shared_ptr<RadosSession>> Connect(const RbdOptions& options);

  const std::string& entity() const { return entity_; }

  // A pool, for one call: opening one asks nobody and takes less than a microsecond, and one that
  // was kept would go on meaning a pool that was deleted and made again.
  // Errors: NOT_FOUND (POOL_NOT_FOUND).
  absl::StatusOr<PoolHandle> OpenPool(const std::string& pool,
                                      const std::string& rados_namespace = "") const;

  // Sends a command, in JSON, to the monitors; returns what they answer.
  absl::StatusOr<std::string> MonCommand(const std::string& command) const;

 private:
  RadosSession(ClusterHandle cluster, std::string entity)
      : entity_(std::move(entity)), cluster_(std::move(cluster)) {}

  bool IsInOurMap(const std::string& pool) const;
  // Errors: NOT_FOUND (POOL_NOT_FOUND).
  absl::Status AskForPool(const std::string& pool) const;

  const std::string entity_;
  const ClusterHandle cluster_;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_SESSION_H_
