// One running job's end of its operation: it reports through it, and asks whether it shall stop.
#ifndef HVAGENT_AGENT_OPERATIONS_RUNNING_OPERATION_H_
#define HVAGENT_AGENT_OPERATIONS_RUNNING_OPERATION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "hvagent/v1/operation.pb.h"

namespace hvagent::operations {

class OperationTable;

// What an operation that succeeded came to: Operation.result.
using OperationResult = std::variant<std::monostate, v1::Image, v1::Volume, v1::Backup>;

// Thread-safe.
class RunningOperation {
 public:
  const std::string& id() const { return begun_.id(); }
  // As it was when it was begun, or adopted.
  const v1::Operation& begun() const { return begun_; }

  void SetTotal(uint64_t bytes_total);
  void SetProgress(uint64_t bytes_done);

  // Whether somebody asked to cancel. The job then undoes what it did and ends with CANCELLED.
  bool cancel_requested() const { return cancel_requested_; }
  // CANCELLED when somebody asked to cancel, UNAVAILABLE (AGENT_STOPPING) when the agent stops: the
  // job then leaves everything as it is, to be gone on with. Asked between two steps of a job.
  absl::Status CheckGoesOn() const;
  // The agent stops.
  void RequestStop() { stop_requested_ = true; }

  // Sets what wakes a job that waits when it is cancelled; called at most once, from the thread
  // that cancels, or at once when that has happened already. nullptr removes it; when that
  // returns, no call is under way.
  void SetCancelCallback(std::function<void()> callback);

  // Ends the operation: SUCCEEDED with `result`, or FAILED or CANCELLED by the status' code. Call
  // it once, last. When the end cannot be journalled it is left to recovery, and the error
  // returned.
  absl::Status Finish(const absl::StatusOr<OperationResult>& result);

  // Instead of Finish, when nobody can work on it now: it stays journalled as RUNNING and is left
  // to whoever adopts it.
  void LeaveToRecovery();

 private:
  friend class OperationTable;
  RunningOperation(OperationTable& table, v1::Operation begun)
      : table_(table), begun_(std::move(begun)) {}

  OperationTable& table_;
  const v1::Operation begun_;
  std::atomic<bool> cancel_requested_ = false;
  std::atomic<bool> stop_requested_ = false;
  Mutex mutex_;
  std::function<void()> on_cancel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_RUNNING_OPERATION_H_
