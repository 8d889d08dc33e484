#include "agentctl/follow.h"

#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agentctl/interrupts.h"
#include "agentctl/progress.h"
#include "agentctl/stream_watch.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "hvagent/v1/operation_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(500);

bool HasEnded(const v1::Operation& operation) {
  return operation.state() != v1::Operation::RUNNING;
}

class Follower {
 public:
  Follower(Cli& cli, Node& node, v1::Operation& operation)
      : cli_(cli),
        node_(node),
        operation_(operation),
        deadline_(SystemClock().Monotonic() +
                  cli.options.timeout.value_or(absl::InfiniteDuration())) {}

  // Until the operation has ended; OK then.
  absl::Status Run() {
    bool was_asked = false;
    while (true) {
      const absl::Status status = WatchToTheEnd();
      if (HasEnded(operation_)) return absl::OkStatus();
      if (!interrupted_) return absl::IsDeadlineExceeded(status) ? GoesOn(status) : InDoubt(status);
      if (was_asked || !cli_.AskYesNo(absl::StrCat("Operation ", operation_.id(), " goes on on ",
                                                   node_.name(), ". Cancel it?"))) {
        return GoesOn(absl::CancelledError("stopped watching"));
      }
      was_asked = true;
      RETURN_IF_ERROR(Cancel());
    }
  }

 private:
  absl::Duration TimeLeft() const { return deadline_ - SystemClock().Monotonic(); }

  // Watches, over as many connections as it takes, until the end or until nothing was heard for too
  // long. Sets interrupted_.
  absl::Status WatchToTheEnd() {
    Interrupts interrupts;
    Progress progress(cli_.streams().err, cli_.streams().err_is_terminal, operation_.target());
    last_contact_ = SystemClock().Monotonic();
    while (true) {
      const absl::Status status = WatchOnce(interrupts, progress);
      interrupted_ = interrupts.interrupted();
      if (HasEnded(operation_) || interrupted_) return status;
      const bool broke = status.ok() || absl::IsUnavailable(status);
      if (!broke || SystemClock().Monotonic() - last_contact_ > kStreamPatience) return status;
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(kRetryPause));
    }
  }

  // Watches until the stream ends, for whatever reason.
  absl::Status WatchOnce(Interrupts& interrupts, Progress& progress) {
    v1::WatchOperationRequest request;
    request.set_id(operation_.id());
    bool lost = false;
    const absl::Status status =
        node_.Call({TimeLeft(), &interrupts.calls(), /*explain=*/true},
                   [&](const Node::Channel& channel, grpc::ClientContext& context) {
                     const ContactWatch watch = WatchStream(context, node_);
                     v1::OperationService::Stub stub(channel);
                     const auto reader = stub.Watch(&context, request);
                     while (reader->Read(&operation_)) {
                       last_contact_ = SystemClock().Monotonic();
                       progress.Update(operation_.bytes_done(), operation_.bytes_total(),
                                       operation_.rate_bytes_per_s());
                     }
                     grpc::Status answer = reader->Finish();
                     lost = watch.lost();
                     return answer;
                   });
    if (!lost) return status;
    last_contact_ = -absl::InfiniteDuration();
    return NodeWasSilent();
  }

  absl::Status Cancel() {
    v1::CancelOperationRequest request;
    request.set_id(operation_.id());
    Interrupts interrupts;
    return node_
        .Change(cli_.change_options(interrupts), &v1::OperationService::Stub::Cancel, request)
        .status();
  }

  absl::Status GoesOn(const absl::Status& status) const {
    return WithHint(
        WithExit(status, ExitCode::kGoesOnThere),
        absl::StrCat("operation ", operation_.id(), " goes on there; `agentctl operation watch ",
                     operation_.id(), "` follows it, `agentctl operation cancel ", operation_.id(),
                     "` would end it"));
  }

  absl::Status InDoubt(const absl::Status& status) const {
    return WithHint(
        WithExit(status.ok() ? absl::DataLossError("the agent ended the stream before the "
                                                   "operation ended")
                             : status,
                 ExitCode::kInDoubt),
        absl::StrCat("look with `agentctl operation get ", operation_.id(), "`"));
  }

  Cli& cli_;
  Node& node_;
  v1::Operation& operation_;  // the last that was heard of it
  const absl::Duration deadline_;
  absl::Duration last_contact_;
  bool interrupted_ = false;
};

}  // namespace

absl::StatusOr<v1::Operation> FollowOperation(Cli& cli, Node& node, v1::Operation operation) {
  if (!HasEnded(operation)) RETURN_IF_ERROR(Follower(cli, node, operation).Run());
  return operation;
}

absl::Status OutcomeOf(const v1::Operation& operation) {
  if (operation.state() == v1::Operation::SUCCEEDED) return absl::OkStatus();
  const absl::Status error = FromRpc(operation.error());
  return error.ok() ? absl::UnknownError("it did not succeed, and the agent does not say why")
                    : error;
}

}  // namespace hvagent::agentctl
