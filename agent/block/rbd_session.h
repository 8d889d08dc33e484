// One connection to a Ceph cluster.
#ifndef HVAGENT_AGENT_BLOCK_RBD_SESSION_H_
#define HVAGENT_AGENT_BLOCK_RBD_SESSION_H_

#include <memory>
#include <string>
#include <vector>

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

// A client of options.config_file's cluster with all timeouts set, as `entity`, that has yet to
// connect.
absl::StatusOr<ClusterHandle> MakeClient(const RbdOptions& options, const std::string& entity);
// Overrides one setting of its configuration file. The error does not quote the value.
absl::Status Configure(const ClusterHandle& client, const char* name, const std::string& value);

// Thread-safe. Its destructor takes milliseconds, and must run after all use of its pools.
class RadosSession {
 public:
  // Blocks: at most mon_timeout.
  static absl::StatusOr<std::shared_ptr<RadosSession>> Connect(const RbdOptions& options);

  const std::string& entity() const { return entity_; }
  // Who this session is to the OSDs: "10.0.0.1:0/2444662204".
  const std::string& address() const { return address_; }

  // A pool, for one call: opening one asks nobody and takes less than a microsecond, and one that
  // was kept would go on meaning a pool that was deleted and made again.
  // Errors: NOT_FOUND (POOL_NOT_FOUND).
  absl::StatusOr<PoolHandle> OpenPool(const std::string& pool,
                                      const std::string& rados_namespace = "") const;

  // The format of the clones that the cluster makes, 1 or 2, as librbd decides it by default: by
  // rbd_default_clone_format, and where that is "auto" by whether the oldest client that may
  // connect knows format 2 (mimic). Asks nobody. A pool's own rbd_default_clone_format is not
  // looked at.
  int CloneFormat() const;

  // The pools that are in our OSD map now. Asks nobody.
  std::vector<std::string> Pools() const;

  // The monitors' own map, as ParseMonMap reads it.
  // Errors: UNAVAILABLE (CEPH_UNAVAILABLE) if they do not answer in time.
  absl::StatusOr<std::string> AskForMonMap() const;

  // Sends a command, in JSON, that only asks for `what` ("their map"); returns what the monitors
  // answer. Whoever asks for a key wipes the answer; librados's copy of it is wiped here.
  // Errors: UNAVAILABLE (CEPH_UNAVAILABLE) if they do not in time.
  absl::StatusOr<std::string> AskMonitors(absl::string_view what, const std::string& command) const;

  // Blocklists the session at `address`: once this returns OK, nothing that it sent will be done
  // that was not done before, and its watches and exclusive locks are free. Does not undo itself
  // for an hour. Idempotent.
  absl::Status Fence(const std::string& address) const;

 private:
  RadosSession(ClusterHandle cluster, std::string entity, std::string address)
      : entity_(std::move(entity)), address_(std::move(address)), cluster_(std::move(cluster)) {}

  // Errors: NOT_FOUND (POOL_NOT_FOUND).
  absl::Status AskForPool(const std::string& pool) const;

  const std::string entity_;
  const std::string address_;
  const ClusterHandle cluster_;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_SESSION_H_
