// Whether the node can do its work: polls both backends' health, keeps since when each is as it
// is, and tells gRPC's standard health service.
#ifndef HVAGENT_AGENT_SERVICE_NODE_HEALTH_H_
#define HVAGENT_AGENT_SERVICE_NODE_HEALTH_H_

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "hvagent/v1/condition.pb.h"

namespace hvagent::service {

// Thread-safe.
class NodeHealth {
 public:
  // `secrets` says, without blocking, whether this node's secrets are as they shall be. Everything
  // passed by reference outlives this object.
  NodeHealth(const hypervisor::Hypervisor& hypervisor, const block::BlockStore& block,
             std::function<absl::Status()> secrets, const Clock& clock);
  ~NodeHealth();

  // READY, LIBVIRT_CONNECTED, CEPH_CONNECTED and SECRETS_RIGHT, as of now. Does not block.
  std::vector<v1::Condition> Conditions();

  // Polls every `period` on a thread until Stop. `on_change` is called with READY's value at first
  // and whenever it changes, before anybody reads the change in Conditions; under a lock, so it
  // must not call back. `while_connected` is called after each poll that finds Ceph connected: what
  // had to wait for it can go on.
  void Start(absl::Duration period, std::function<void(bool ready)> on_change,
             std::function<void()> while_connected);
  void Stop();

 private:
  struct Part {
    std::string type;
    std::string reason_when_true;
    bool healthy = false;
    bool known = false;
    std::string reason;
    std::string message;
    absl::Time since;
  };
  // Looks at both backends, and tells a change.
  void Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Update(Part& part, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run(absl::Duration period, const std::function<void()>& while_connected);

  const hypervisor::Hypervisor& hypervisor_;
  const block::BlockStore& block_;
  const std::function<absl::Status()> secrets_right_;
  const Clock& clock_;
  Mutex mutex_;
  CondVar stop_changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void(bool ready)> on_change_ ABSL_GUARDED_BY(mutex_);  // none: not started
  std::optional<bool> told_ ABSL_GUARDED_BY(mutex_);
  Part ready_ ABSL_GUARDED_BY(mutex_) = {.type = "READY", .reason_when_true = "ALL_WELL"};
  Part libvirt_ ABSL_GUARDED_BY(mutex_) = {.type = "LIBVIRT_CONNECTED",
                                           .reason_when_true = "CONNECTED"};
  Part ceph_ ABSL_GUARDED_BY(mutex_) = {.type = "CEPH_CONNECTED", .reason_when_true = "CONNECTED"};
  // No part of READY: guests that run are well, and most starts succeed.
  Part secrets_ ABSL_GUARDED_BY(mutex_) = {.type = "SECRETS_RIGHT",
                                           .reason_when_true = "ALL_RIGHT"};
  std::thread thread_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_NODE_HEALTH_H_
