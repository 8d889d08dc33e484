// The long jobs of this node: their progress, who watches them, and how they ended.
//
// Each change of state is journalled in the node's state before anybody is told; progress is kept
// in memory only. Thread-safe.
#ifndef HVAGENT_AGENT_OPERATIONS_OPERATION_TABLE_H_
#define HVAGENT_AGENT_OPERATIONS_OPERATION_TABLE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/operations/progress_rate.h"
#include "agent/operations/running_operation.h"
#include "agent/state/state_store.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "hvagent/v1/operation.pb.h"

namespace hvagent::operations {

class OperationTable {
 public:
  // Both outlive the table, which outlives its operations.
  OperationTable(state::StateStore& state, const Clock& clock) : state_(state), clock_(clock) {}

  // Journals `operation` in state RUNNING, from its kind, target, bytes_total and request. Its id
  // is random unless it has one, which no other operation has then.
  absl::StatusOr<std::shared_ptr<RunningOperation>> Begin(v1::Operation operation);

  // The operations that run by the journal and that nobody works on: cut off by a restart, or left
  // to recovery. They are the caller's now, as those of Begin are.
  absl::StatusOr<std::vector<std::shared_ptr<RunningOperation>>> Adopt();
  // Whether there may be something to adopt. Does not block.
  bool NeedsAdoption() const { return needs_adoption_; }

  // Errors: NOT_FOUND (OPERATION_NOT_FOUND).
  absl::StatusOr<v1::Operation> Get(absl::string_view id);
  // Newest first, at most `limit`, those older than `before` (empty: from the newest).
  absl::StatusOr<std::vector<v1::Operation>> List(absl::string_view before, size_t limit);

  // Asks a running operation to stop; one that has ended is left as it is.
  // Errors: NOT_FOUND (OPERATION_NOT_FOUND).
  absl::StatusOr<v1::Operation> Cancel(absl::string_view id);

  // Calls `watcher` after each change of the operation, from whichever thread changed it; it must
  // not block. Unwatch returns when no call is under way.
  using Watcher = std::function<void(const v1::Operation&)>;
  using WatcherId = uint64_t;
  WatcherId Watch(absl::string_view id, Watcher watcher);
  void Unwatch(WatcherId id);

 private:
  friend class RunningOperation;
  struct Live {
    v1::Operation operation;
    std::weak_ptr<RunningOperation> handle;
    ProgressRate rate;
  };

  std::shared_ptr<RunningOperation> Track(const v1::Operation& operation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetTotal(const std::string& id, uint64_t bytes_total);
  void SetProgress(const std::string& id, uint64_t bytes_done);
  absl::Status Finish(const std::string& id, const absl::StatusOr<OperationResult>& result);
  void Abandon(const std::string& id);
  void Notify(const v1::Operation& operation) ABSL_LOCKS_EXCLUDED(mutex_);

  state::StateStore& state_;
  const Clock& clock_;
  std::atomic<bool> needs_adoption_ = true;
  Mutex mutex_;
  std::map<std::string, Live, std::less<>> live_ ABSL_GUARDED_BY(mutex_);
  Mutex watchers_mutex_;  // held while watchers are called
  std::map<WatcherId, std::pair<std::string, Watcher>> watchers_ ABSL_GUARDED_BY(watchers_mutex_);
  WatcherId next_watcher_ ABSL_GUARDED_BY(watchers_mutex_) = 1;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_OPERATION_TABLE_H_
