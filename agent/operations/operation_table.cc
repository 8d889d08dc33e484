#include "agent/operations/operation_table.h"

#include <algorithm>
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

void SetResult(v1::Operation& operation, std::monostate) { operation.clear_result(); }
void SetResult(v1::Operation& operation, const v1::Image& image) {
  *operation.mutable_image() = image;
}
void SetResult(v1::Operation& operation, const v1::Volume& volume) {
  *operation.mutable_volume() = volume;
}
void SetResult(v1::Operation& operation, const v1::Backup& backup) {
  *operation.mutable_backup() = backup;
}

void SetEnd(v1::Operation& operation, const absl::StatusOr<OperationResult>& result) {
  operation.clear_rate_bytes_per_s();
  operation.clear_remaining_s();
  if (result.ok()) {
    operation.set_state(v1::Operation::SUCCEEDED);
    std::visit([&](const auto& value) { SetResult(operation, value); }, *result);
    return;
  }
  operation.set_state(absl::IsCancelled(result.status()) ? v1::Operation::CANCELLED
                                                         : v1::Operation::FAILED);
  *operation.mutable_error() = ToRpcStatus(result.status());
}

void SetRate(v1::Operation& operation, uint64_t bytes_per_s) {
  operation.set_rate_bytes_per_s(bytes_per_s);
  operation.clear_remaining_s();
  if (bytes_per_s == 0 || operation.bytes_total() <= operation.bytes_done()) return;
  const uint64_t left_bytes = operation.bytes_total() - operation.bytes_done();
  operation.set_remaining_s(
      static_cast<uint32_t>(std::min<uint64_t>(left_bytes / bytes_per_s + 1, UINT32_MAX)));
}

}  // namespace

absl::StatusOr<std::shared_ptr<RunningOperation>> OperationTable::Begin(v1::Operation operation) {
  if (operation.id().empty()) operation.set_id(Uuid::Random().ToString());
  operation.set_state(v1::Operation::RUNNING);
  *operation.mutable_create_time() = ToProto(clock_.Now());
  *operation.mutable_update_time() = operation.create_time();
  RETURN_IF_ERROR(state_.PutOperation(operation));
  MutexLock lock(mutex_);
  return Track(operation);
}

std::shared_ptr<RunningOperation> OperationTable::Track(const v1::Operation& operation) {
  std::shared_ptr<RunningOperation> handle(new RunningOperation(*this, operation));
  live_[operation.id()] = {operation, handle, ProgressRate()};
  return handle;
}

absl::StatusOr<std::vector<std::shared_ptr<RunningOperation>>> OperationTable::Adopt() {
  // Before the look, so that what is left meanwhile is not forgotten.
  needs_adoption_ = false;
  const absl::StatusOr<std::vector<v1::Operation>> running = state_.ListRunningOperations();
  if (!running.ok()) {
    needs_adoption_ = true;
    return running.status();
  }
  std::vector<std::shared_ptr<RunningOperation>> adopted;
  MutexLock lock(mutex_);
  for (const v1::Operation& operation : *running) {
    if (!live_.contains(operation.id())) adopted.push_back(Track(operation));
  }
  return adopted;
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

void OperationTable::SetTotal(const std::string& id, uint64_t bytes_total) {
  MutexLock lock(mutex_);
  if (auto it = live_.find(id); it != live_.end())
    it->second.operation.set_bytes_total(bytes_total);
}

void OperationTable::SetProgress(const std::string& id, uint64_t bytes_done) {
  v1::Operation operation;
  {
    MutexLock lock(mutex_);
    auto it = live_.find(id);
    if (it == live_.end()) return;
    Live& live = it->second;
    live.rate.Add(clock_.Monotonic(), bytes_done);
    live.operation.set_bytes_done(bytes_done);
    *live.operation.mutable_update_time() = ToProto(clock_.Now());
    SetRate(live.operation, live.rate.bytes_per_s());
    operation = live.operation;
  }
  Notify(operation);
}

absl::Status OperationTable::Finish(const std::string& id,
                                    const absl::StatusOr<OperationResult>& result) {
  v1::Operation operation;
  {
    MutexLock lock(mutex_);
    auto it = live_.find(id);
    if (it == live_.end()) return NotFound(id);
    operation = it->second.operation;
  }
  SetEnd(operation, result);
  *operation.mutable_update_time() = ToProto(clock_.Now());
  // Journalled before it leaves the table: whoever asks finds it in one of the two places.
  if (absl::Status journalled = state_.PutOperation(operation); !journalled.ok()) {
    Abandon(id);
    return journalled;
  }
  {
    MutexLock lock(mutex_);
    live_.erase(id);
  }
  Notify(operation);
  return absl::OkStatus();
}

void OperationTable::Abandon(const std::string& id) {
  {
    MutexLock lock(mutex_);
    live_.erase(id);
  }
  needs_adoption_ = true;
}

void OperationTable::Notify(const v1::Operation& operation) {
  MutexLock lock(watchers_mutex_);
  for (const auto& [id, watcher] : watchers_) {
    if (watcher.first == operation.id()) watcher.second(operation);
  }
}

}  // namespace hvagent::operations
