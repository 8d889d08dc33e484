#include "agent/service/settle_call.h"

#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/service/grpc_status.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::service {
namespace {

// How long before the client's deadline the answer is sent.
constexpr auto kAnswerMargin = std::chrono::milliseconds(200);

}  // namespace

// The part that outlives the call when a callback comes late. Ends once: settled, timed out or
// cancelled, whichever is first.
class SettleCall::Wait : public std::enable_shared_from_this<Wait> {
 public:
  Wait(SettleCall* call, const SettleContext& shared) : call_(call), shared_(shared) {}

  // `begin` has returned: from now on the call may be finished at any moment.
  void Begin(absl::StatusOr<std::vector<Target>> targets,
             std::chrono::system_clock::time_point deadline) {
    bool cancelled;
    {
      MutexLock lock(mutex_);
      begun_ = true;
      cancelled = cancelled_;
    }
    if (!targets.ok()) return End(targets.status());
    if (cancelled) return End(absl::CancelledError("the client went away"));
    if (targets->empty()) return End(absl::OkStatus());
    Await(*std::move(targets), deadline);
  }

  // Not before `begin` has returned, since that reads the request, which goes with the call.
  void Cancel() {
    {
      MutexLock lock(mutex_);
      cancelled_ = true;
      if (!begun_) return;
    }
    End(absl::CancelledError("the client went away"));
  }

 private:
  void End(const absl::Status& status) {
    std::vector<absl::Status> settled;
    {
      MutexLock lock(mutex_);
      if (std::exchange(ended_, true)) return;
      for (const auto waiter : waiters_) shared_.board.StopWaiting(waiter);
      for (size_t i = 0; i < targets_.size(); ++i) {
        settled.push_back(settled_[i].has_value() ? *settled_[i] : WhyNotYet(targets_[i]));
      }
    }
    alarm_.Cancel();
    call_->Answer(status, std::move(settled));
  }

  void Await(std::vector<Target> targets, std::chrono::system_clock::time_point deadline) {
    const auto self = shared_from_this();
    {
      MutexLock lock(mutex_);
      if (ended_) return;
      targets_ = targets;
      settled_.resize(targets.size());
      unsettled_ = targets.size();
      for (size_t i = 0; i < targets.size(); ++i) {
        waiters_.push_back(
            shared_.board.Wait(targets[i].uuid, targets[i].generation,
                               [self, i](const absl::Status& status) { self->Settle(i, status); }));
      }
      if (deadline != std::chrono::system_clock::time_point::max()) {
        // An alarm keeps its callback for as long as it lives itself, and it is ours.
        alarm_.Set(deadline - kAnswerMargin, [weak = weak_from_this()](bool fired) {
          const auto wait = weak.lock();
          if (fired && wait != nullptr) wait->End(absl::OkStatus());
        });
      }
    }
    for (const Target& target : targets) shared_.reconciler.Enqueue(target.uuid);
  }

  void Settle(size_t index, const absl::Status& status) {
    {
      MutexLock lock(mutex_);
      settled_[index] = status;
      if (--unsettled_ > 0) return;
    }
    End(absl::OkStatus());
  }

  absl::Status WhyNotYet(const Target& target) const {
    const auto entry = shared_.board.Get(target.uuid);
    if (entry.has_value() && !entry->outcome.error.ok()) {
      return Annotate(entry->outcome.error, "not done yet, the agent goes on trying");
    }
    return Error(
        absl::StatusCode::kDeadlineExceeded, "STILL_IN_PROGRESS",
        absl::StrCat("VM ", target.uuid.ToString(), " is not as wished yet; the agent goes on"));
  }

  SettleCall* const call_;
  const SettleContext shared_;
  grpc::Alarm alarm_;
  Mutex mutex_;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Target> targets_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::optional<absl::Status>> settled_ ABSL_GUARDED_BY(mutex_);
  size_t unsettled_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<reconcile::StatusBoard::WaiterId> waiters_ ABSL_GUARDED_BY(mutex_);
};

grpc::ServerUnaryReactor* SettleCall::Start(grpc::CallbackServerContext* context,
                                            const SettleContext& shared, BeginFn begin,
                                            AnswerFn answer) {
  return StartAll(
      context, shared,
      [begin = std::move(begin)]() -> absl::StatusOr<std::vector<Target>> {
        ASSIGN_OR_RETURN(const Target target, begin());
        return target.wait ? std::vector<Target>{target} : std::vector<Target>();
      },
      [answer = std::move(answer)](const std::vector<absl::Status>& settled) {
        return !settled.empty() && !settled.front().ok() ? settled.front() : answer();
      });
}

grpc::ServerUnaryReactor* SettleCall::StartAll(grpc::CallbackServerContext* context,
                                               const SettleContext& shared, BeginAllFn begin,
                                               AnswerAllFn answer) {
  auto* call = new SettleCall(shared, std::move(answer));
  const absl::Status queued =
      shared.pool.Submit([context, begin = std::move(begin), wait = call->wait_] {
        wait->Begin(begin(), context->deadline());
      });
  if (!queued.ok()) call->wait_->Begin(queued, context->deadline());
  return call;
}

SettleCall::SettleCall(const SettleContext& shared, AnswerAllFn answer)
    : shared_(shared), answer_(std::move(answer)), wait_(std::make_shared<Wait>(this, shared)) {}

void SettleCall::OnCancel() { wait_->Cancel(); }

void SettleCall::OnDone() { delete this; }

void SettleCall::Answer(const absl::Status& status, std::vector<absl::Status> settled) {
  if (!status.ok()) {
    Finish(ToGrpcStatus(status));
    return;
  }
  const absl::Status queued = shared_.pool.Submit(
      [this, settled = std::move(settled)] { Finish(ToGrpcStatus(answer_(settled))); });
  if (!queued.ok()) Finish(ToGrpcStatus(queued));
}

}  // namespace hvagent::service
