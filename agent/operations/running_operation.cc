#include "agent/operations/running_operation.h"

#include "agent/operations/operation_table.h"
#include "base/error.h"

namespace hvagent::operations {

void RunningOperation::SetTotal(uint64_t bytes_total) { table_.SetTotal(id(), bytes_total); }

void RunningOperation::SetProgress(uint64_t bytes_done) { table_.SetProgress(id(), bytes_done); }

absl::Status RunningOperation::CheckGoesOn() const {
  if (cancel_requested_) return absl::CancelledError("the operation was cancelled");
  if (stop_requested_) {
    return Error(absl::StatusCode::kUnavailable, "AGENT_STOPPING",
                 "the agent stops; the operation goes on when it is back");
  }
  return absl::OkStatus();
}

void RunningOperation::SetCancelCallback(std::function<void()> callback) {
  MutexLock lock(mutex_);
  on_cancel_ = std::move(callback);
  if (on_cancel_ && cancel_requested_) std::exchange(on_cancel_, nullptr)();
}

absl::Status RunningOperation::Finish(const absl::StatusOr<OperationResult>& result) {
  return table_.Finish(id(), result);
}

void RunningOperation::LeaveToRecovery() { table_.Abandon(id()); }

}  // namespace hvagent::operations
