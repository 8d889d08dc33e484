#include "agent/service/watch_call.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/service/grpc_status.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::service {
namespace {

constexpr size_t kBatch = 200;

}  // namespace

WatchCall::WatchCall(const v1::WatchStateRequest& request, const WatchContext& shared)
    : shared_(shared), synced_(!request.instance().empty()), revision_(request.revision()) {
  if (!synced_) revision_ = shared_.feed.revision();
  // From here on other threads may make batches.
  subscriber_ = shared_.feed.Subscribe([this] { Pump(); });
  if (!request.instance().empty() && request.instance() != shared_.feed.instance()) {
    End(Error(absl::StatusCode::kOutOfRange, "REVISION_GONE",
              "the agent has restarted since: start over, without a revision"));
    return;
  }
  Pump();
}

void WatchCall::Pump() {
  {
    MutexLock lock(mutex_);
    more_ = true;
    if (ended_ || making_ || writing_) return;
    making_ = true;
    more_ = false;
  }
  const absl::Status queued = shared_.pool.Submit([this] { MakeBatch(); });
  if (queued.ok()) return;
  absl::Status end;
  {
    MutexLock lock(mutex_);
    making_ = false;
    if (!std::exchange(ended_, true)) end_ = queued;
    end = end_;
  }
  Finish(ToGrpcStatus(end));
}

// The call is finished by nobody else while making_ is set, since it goes when it is; afterwards
// nothing of it may be touched here.
void WatchCall::MakeBatch() {
  absl::Status end;
  while (true) {
    absl::StatusOr<Batch> batch = synced_ ? NextChanges() : NextPage();
    MutexLock lock(mutex_);
    if (!batch.ok() && !std::exchange(ended_, true)) end_ = batch.status();
    if (ended_) {
      making_ = false;
      end = end_;
      break;
    }
    if (!batch->empty()) {
      batch_ = *std::move(batch);
      current_ = std::move(batch_.front());
      batch_.pop_front();
      making_ = false;
      writing_ = true;
      StartWrite(&current_);
      return;
    }
    if (!more_) {
      making_ = false;
      return;
    }
    more_ = false;
  }
  Finish(ToGrpcStatus(end));
}

absl::StatusOr<WatchCall::Batch> WatchCall::NextPage() {
  ASSIGN_OR_RETURN(const auto vms, shared_.state.ListVms(listed_, kBatch));
  Batch batch;
  for (v1::Vm& vm : shared_.view.ShowAll(vms)) {
    v1::StateEvent& event = batch.emplace_back();
    event.set_instance(shared_.feed.instance());
    *event.mutable_vm() = std::move(vm);
  }
  if (vms.size() < kBatch) {
    synced_ = true;
    v1::StateEvent& event = batch.emplace_back();
    event.set_instance(shared_.feed.instance());
    event.set_revision(revision_);
    event.set_synced(true);
  } else {
    listed_ = vms.back().uuid;
  }
  return batch;
}

absl::StatusOr<WatchCall::Batch> WatchCall::NextChanges() {
  ASSIGN_OR_RETURN(const auto changes, shared_.feed.After(revision_, kBatch));
  Batch batch;
  for (const reconcile::VmFeed::Change& change : changes) {
    std::optional<state::VmRecord> vm;
    if (!change.removed) {
      ASSIGN_OR_RETURN(vm, shared_.state.GetVm(change.uuid));
    }
    v1::StateEvent& event = batch.emplace_back();
    event.set_instance(shared_.feed.instance());
    event.set_revision(change.revision);
    if (vm.has_value()) {
      *event.mutable_vm() = shared_.view.ShowAsSeen(*vm);
    } else {
      event.set_removed(change.uuid.ToString());
    }
    revision_ = change.revision;
  }
  return batch;
}

void WatchCall::OnWriteDone(bool ok) {
  {
    MutexLock lock(mutex_);
    if (ok && !ended_ && !batch_.empty()) {
      current_ = std::move(batch_.front());
      batch_.pop_front();
      StartWrite(&current_);
      return;
    }
    writing_ = false;
  }
  if (!ok) return End(absl::CancelledError("the client went away"));
  Pump();
}

void WatchCall::OnCancel() { End(absl::CancelledError("the client went away")); }

void WatchCall::OnDone() {
  shared_.feed.Unsubscribe(subscriber_);
  delete this;
}

void WatchCall::End(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    if (std::exchange(ended_, true)) return;
    end_ = status;
    if (making_) return;  // MakeBatch finishes the call
  }
  Finish(ToGrpcStatus(end_));
}

}  // namespace hvagent::service
