#include "agent/operations/operation_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/operations/rpc_status.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::operations {
namespace {

google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

absl::Status NotFound(absl::string_view id) {
  return Error(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND",
               absl::StrCat("there is no operation \"", id,
                            "\" on this node: it is another node's, or ended over a day ago"));
}

void SetEnd(v1::Operation& operation, const absl::StatusOr<v1::Image>& image) {
  if (image.ok()) {
    operation.set_state(v1::Operation::SUCCEEDED);
    *operation.mutable_image() = *image;
    return;
  }
  operation.set_state(absl::IsCancelled(image.status()) ? v1::Operation::CANCELLED
                                                        : v1::Operation::FAILED);
  *operation.mutable_error() = ToRpcStatus(image.status());
}

}  // namespace

void RunningOperation::SetProgress(uint64_t bytes_done) { table_.SetProgress(id_, bytes_done); }

void RunningOperation::SetCancelCallback(std::function<void()> callback) {
  MutexLock lock(mutex_);
  on_cancel_ = std::move(callback);
  if (on_cancel_ && cancel_requested_) std::exchange(on_cancel_, nullptr)();
}

absl::Status RunningOperation::Finish(const absl::StatusOr<v1::Image>& image) {
  return table_.Finish(id_, image);
}

void RunningOperation::LeaveToRecovery() { table_.Forget(id_); }

absl::StatusOr<std::shared_ptr<RunningOperation>> OperationTable::Begin(v1::Operation::Kind kind,
                                                                        absl::string_view target,
                                                                        uint64_t bytes_total) {
  v1::Operation operation;
  operation.set_id(Uuid::Random().ToString());
  operation.set_kind(kind);
  operation.set_target(std::string(target));
  operation.set_state(v1::Operation::RUNNING);
  operation.set_bytes_total(bytes_total);
  *operation.mutable_create_time() = ToProto(clock_.Now());
  *operation.mutable_update_time() = operation.create_time();
  RETURN_IF_ERROR(state_.PutOperation(operation));

  std::shared_ptr<RunningOperation> handle(new RunningOperation(*this, operation.id()));
  MutexLock lock(mutex_);
  live_[operation.id()] = {operation, handle};
  return handle;
}

absl::Status OperationTable::Recover(const Settle& settle) {
  // Before the look, so that what is left to it meanwhile is not forgotten.
  if (!needs_recovery_.exchange(false)) return absl::OkStatus();
  absl::StatusOr<std::vector<v1::Operation>> cut_off = state_.ListRunningOperations();
  absl::Status first_error = cut_off.status();
  if (!cut_off.ok()) cut_off.emplace();
  for (v1::Operation& operation : *cut_off) {
    {
      MutexLock lock(mutex_);
      if (live_.contains(operation.id())) continue;
    }
    const absl::StatusOr<std::optional<v1::Image>> result = settle(operation);
    absl::Status status = result.status();
    if (status.ok()) {
      if (result->has_value()) {
        operation.set_bytes_done((*result)->size_bytes());  // progress is not journalled
        SetEnd(operation, **result);
      } else {
        SetEnd(operation, Error(absl::StatusCode::kAborted, "CUT_OFF",
                                "the agent was restarted, or Ceph went away, while this ran; what "
                                "it had done was undone: start it again"));
      }
      *operation.mutable_update_time() = ToProto(clock_.Now());
      status = state_.PutOperation(operation);
    }
    if (first_error.ok()) first_error = status;
  }
  if (!first_error.ok()) needs_recovery_ = true;
  return first_error;
}

absl::StatusOr<v1::Operation> OperationTable::Get(absl::string_view id) {
  {
    MutexLock lock(mutex_);
    if (auto it = live_.find(id); it != live_.end()) return it->second.operation;
  }
  ASSIGN_OR_RETURN(auto operation, state_.GetOperation(id));
  if (!operation.has_value()) return NotFound(id);
  return *std::move(operation);
}

absl::StatusOr<std::vector<v1::Operation>> OperationTable::List(absl::string_view before,
                                                                size_t limit) {
  ASSIGN_OR_RETURN(std::vector<v1::Operation> operations, state_.ListOperations(before, limit));
  MutexLock lock(mutex_);
  for (v1::Operation& operation : operations) {
    if (auto it = live_.find(operation.id()); it != live_.end()) operation = it->second.operation;
  }
  return operations;
}

absl::StatusOr<v1::Operation> OperationTable::Cancel(absl::string_view id) {
  std::shared_ptr<RunningOperation> handle;
  {
    MutexLock lock(mutex_);
    if (auto it = live_.find(id); it != live_.end()) handle = it->second.handle.lock();
  }
  if (handle != nullptr) {
    MutexLock lock(handle->mutex_);
    handle->cancel_requested_ = true;
    if (handle->on_cancel_) std::exchange(handle->on_cancel_, nullptr)();
  }
  return Get(id);
}

OperationTable::WatcherId OperationTable::Watch(absl::string_view id, Watcher watcher) {
  MutexLock lock(watchers_mutex_);
  const WatcherId watcher_id = next_watcher_++;
  watchers_.emplace(watcher_id, std::make_pair(std::string(id), std::move(watcher)));
  return watcher_id;
}

void OperationTable::Unwatch(WatcherId id) {
  MutexLock lock(watchers_mutex_);
  watchers_.erase(id);
}

void OperationTable::SetProgress(const std::string& id, uint64_t bytes_done) {
  v1::Operation operation;
  {
    MutexLock lock(mutex_);
    auto it = live_.find(id);
    if (it == live_.end()) return;
    it->second.operation.set_bytes_done(bytes_done);
    *it->second.operation.mutable_update_time() = ToProto(clock_.Now());
    operation = it->second.operation;
  }
  Notify(operation);
}

absl::Status OperationTable::Finish(const std::string& id, const absl::StatusOr<v1::Image>& image) {
  v1::Operation operation;
  {
    MutexLock lock(mutex_);
    auto it = live_.find(id);
    if (it == live_.end()) return NotFound(id);
    operation = it->second.operation;
  }
  SetEnd(operation, image);
  *operation.mutable_update_time() = ToProto(clock_.Now());
  // Journalled before it leaves the table: whoever asks finds it in one of the two places.
  const absl::Status journalled = state_.PutOperation(operation);
  {
    MutexLock lock(mutex_);
    live_.erase(id);
  }
  Notify(operation);
  return journalled;
}

void OperationTable::Forget(const std::string& id) {
  {
    MutexLock lock(mutex_);
    live_.erase(id);
  }
  needs_recovery_ = true;
}

void OperationTable::Notify(const v1::Operation& operation) {
  MutexLock lock(watchers_mutex_);
  for (const auto& [id, watcher] : watchers_) {
    if (watcher.first == operation.id()) watcher.second(operation);
  }
}

}  // namespace hvagent::operations
