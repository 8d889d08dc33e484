#include "agent/service/settle_call.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/service/grpc_status.h"
#include "base/error.h"

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
  void Begin(const absl::StatusOr<Target>& target, std::chrono::system_clock::time_point deadline) {
    bool cancelled;
    {
      MutexLock lock(mutex_);
      begun_ = true;
      cancelled = cancelled_;
    }
    if (!target.ok()) return End(target.status());
    if (cancelled) return End(absl::CancelledError("the client went away"));
    if (!target->wait) return End(absl::OkStatus());
    Await(*target, deadline);
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

  void End(const absl::Status& status) {
    {
      MutexLock lock(mutex_);
      if (std::exchange(ended_, true)) return;
      if (waiter_ != 0) shared_.board.StopWaiting(waiter_);
    }
    alarm_.Cancel();
    call_->Answer(status);
  }

 private:
  void Await(const Target& target, std::chrono::system_clock::time_point deadline) {
    target_ = target;
    const auto self = shared_from_this();
    {
      MutexLock lock(mutex_);
      if (ended_) return;
      waiter_ = shared_.board.Wait(target.uuid, target.generation,
                                   [self](const absl::Status& status) { self->End(status); });
      if (deadline != std::chrono::system_clock::time_point::max()) {
        // An alarm keeps its callback for as long as it lives itself, and it is ours.
        alarm_.Set(deadline - kAnswerMargin, [weak = weak_from_this()](bool fired) {
          const auto wait = weak.lock();
          if (fired && wait != nullptr) wait->End(wait->WhyNotYet());
        });
      }
    }
    shared_.reconciler.Enqueue(target.uuid);
  }

  absl::Status WhyNotYet() const {
    const auto entry = shared_.board.Get(target_.uuid);
    if (entry.has_value() && !entry->outcome.error.ok()) {
      return Annotate(entry->outcome.error, "not done yet, the agent goes on trying");
    }
    return Error(
        absl::StatusCode::kDeadlineExceeded, "STILL_IN_PROGRESS",
        absl::StrCat("VM ", target_.uuid.ToString(), " is not as wished yet; the agent goes on"));
  }

  SettleCall* const call_;
  const SettleContext shared_;
  Target target_;
  grpc::Alarm alarm_;
  Mutex mutex_;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  reconcile::StatusBoard::WaiterId waiter_ ABSL_GUARDED_BY(mutex_) = 0;
};

grpc::ServerUnaryReactor* SettleCall::Start(grpc::CallbackServerContext* context,
                                            const SettleContext& shared, BeginFn begin,
                                            AnswerFn answer) {
  auto* call = new SettleCall(shared, std::move(answer));
  const absl::Status queued =
      shared.pool.Submit([context, begin = std::move(begin), wait = call->wait_] {
        wait->Begin(begin(), context->deadline());
      });
  if (!queued.ok()) call->wait_->Begin(queued, context->deadline());
  return call;
}

SettleCall::SettleCall(const SettleContext& shared, AnswerFn answer)
    : shared_(shared), answer_(std::move(answer)), wait_(std::make_shared<Wait>(this, shared)) {}

void SettleCall::OnCancel() { wait_->Cancel(); }

void SettleCall::OnDone() { delete this; }

void SettleCall::Answer(const absl::Status& settled) {
  if (!settled.ok()) {
    Finish(ToGrpcStatus(settled));
    return;
  }
  const absl::Status queued = shared_.pool.Submit([this] { Finish(ToGrpcStatus(answer_())); });
  if (!queued.ok()) Finish(ToGrpcStatus(queued));
}

}  // namespace hvagent::service
