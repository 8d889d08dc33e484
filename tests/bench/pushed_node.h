// A node in this process, on a state file and the memory backends, whose VMs come by a controller's
// pushes.
#ifndef HVAGENT_TESTS_BENCH_PUSHED_NODE_H_
#define HVAGENT_TESTS_BENCH_PUSHED_NODE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/reconcile/pushes.h"
#include "agent/reconcile/reconciler.h"
#include "agent/state/request_log.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "hvagent/v1/push.pb.h"
#include "tests/support/memory_node.h"

namespace hvagent::bench {

// Not thread-safe. What fails ends the program.
class PushedNode {
 public:
  explicit PushedNode(const std::string& file);
  // The VMs are worked on from now on; without it, what is wished stays a wish.
  void Start() { reconciler_->Start(); }

  // What the controller wants: `count` VMs more, from the next message on.
  void AddVms(size_t count);
  // The VM that stands first is to have another size.
  void ChangeOne();
  // A FULL push, as it comes over the wire; each has a generation of its own.
  std::string NextMessage();

  // As NodeService.PushState does.
  void Push(v1::PushStateRequest& push);

  // By a PARTIAL push; returns the UUIDs when all of them run.
  std::vector<std::string> CreateAndWait(size_t count);
  // Returns when nothing is left of them.
  void DeleteAndWait(const std::vector<std::string>& uuids);

  uint64_t backend_calls() const { return node_.faults.calls(); }

 private:
  v1::PushStateRequest NextPartial();
  // Pushes, and waits until every VM that it changes is as it shall be.
  void PushAndWait(v1::PushStateRequest push);

  testing::MemoryNode node_;
  const std::unique_ptr<state::StateStore> state_;
  reconcile::VmWorker worker_;
  reconcile::VmFeed feed_;
  reconcile::StatusBoard board_{SystemClock(), feed_};
  // Made last, since its threads use the others.
  std::unique_ptr<reconcile::Reconciler> reconciler_;
  state::RequestLog requests_;
  std::unique_ptr<reconcile::DesiredVms> vms_;
  std::unique_ptr<reconcile::Pushes> pushes_;
  v1::PushStateRequest push_;
  v1::PushStateResponse answer_;  // of the last push
  uint32_t made_ = 0;             // VMs, ever
};

}  // namespace hvagent::bench

#endif  // HVAGENT_TESTS_BENCH_PUSHED_NODE_H_
