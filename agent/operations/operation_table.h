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
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/state/state_store.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "hvagent/v1/operation.pb.h"

namespace hvagent::operations {

class OperationTable;

// One running job's end of its operation. The job reports through it and asks whether it shall
// stop. Thread-safe.
class RunningOperation {
 public:
  const std::string& id() const { return id_; }

  void SetProgress(uint64_t bytes_done);

  // Whether somebody asked to cancel. The job then undoes what it did and calls Finish with
  // CANCELLED.
  bool cancel_requested() const { return cancel_requested_; }

  // Sets what wakes a job that waits when it is cancelled; called at most once, from the thread
  // that cancels, or at once when that has happened already. nullptr removes it; when that
  // returns, no call is under way.
  void SetCancelCallback(std::function<void()> callback);

  // Ends the operation: SUCCEEDED with `image`, or FAILED or CANCELLED by the status' code. Call
  // it once, last.
  absl::Status Finish(const absl::StatusOr<v1::Image>& image);

  // Instead of Finish, when what was done could not be undone now: the operation stays journalled
  // as RUNNING and is left to OperationTable::Recover.
  void LeaveToRecovery();

 private:
  friend class OperationTable;
  RunningOperation(OperationTable& table, std::string id) : table_(table), id_(std::move(id)) {}

  OperationTable& table_;
  const std::string id_;
  std::atomic<bool> cancel_requested_ = false;
  Mutex mutex_;
  std::function<void()> on_cancel_ ABSL_GUARDED_BY(mutex_);
};

class OperationTable {
 public:
  // Both outlive the table, which outlives its operations.
  OperationTable(state::StateStore& state, const Clock& clock) : state_(state), clock_(clock) {}

  // Journals a new operation in state RUNNING. `bytes_total` 0: not known.
  absl::StatusOr<std::shared_ptr<RunningOperation>> Begin(v1::Operation::Kind kind,
                                                          absl::string_view target,
                                                          uint64_t bytes_total);

  // What an operation came to, for which nobody works any more: its result, if its last step had
  // its effect; else nothing, and what it left is removed.
  using Settle = std::function<absl::StatusOr<std::optional<v1::Image>>(const v1::Operation&)>;

  // Ends what was cut off, by a restart or by Ceph going away: SUCCEEDED or FAILED (CUT_OFF), as
  // `settle` says. An operation that cannot be settled now stays RUNNING and is tried at the next
  // call; the first such error is returned.
  absl::Status Recover(const Settle& settle);

  // Whether there may be something for Recover to do: at the start, after LeaveToRecovery, and
  // until a Recover has succeeded. Does not block.
  bool NeedsRecovery() const { return needs_recovery_; }

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
  };

  void SetProgress(const std::string& id, uint64_t bytes_done);
  absl::Status Finish(const std::string& id, const absl::StatusOr<v1::Image>& image);
  void Forget(const std::string& id);
  void Notify(const v1::Operation& operation) ABSL_LOCKS_EXCLUDED(mutex_);

  state::StateStore& state_;
  const Clock& clock_;
  std::atomic<bool> needs_recovery_ = true;
  Mutex mutex_;
  std::map<std::string, Live, std::less<>> live_ ABSL_GUARDED_BY(mutex_);
  Mutex watchers_mutex_;  // held while watchers are called
  std::map<WatcherId, std::pair<std::string, Watcher>> watchers_ ABSL_GUARDED_BY(watchers_mutex_);
  WatcherId next_watcher_ ABSL_GUARDED_BY(watchers_mutex_) = 1;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_OPERATION_TABLE_H_
