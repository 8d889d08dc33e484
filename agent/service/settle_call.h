// A call that is answered when its VMs have settled: each is as its spec wants it, or cannot be.
#ifndef HVAGENT_AGENT_SERVICE_SETTLE_CALL_H_
#define HVAGENT_AGENT_SERVICE_SETTLE_CALL_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "agent/reconcile/reconciler.h"
#include "agent/reconcile/status_board.h"
#include "base/mutex.h"
#include "base/uuid.h"
#include "base/worker_pool.h"
#include "grpcpp/alarm.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace hvagent::service {

// What such calls share; all outlive the server.
struct SettleContext {
  WorkerPool& pool;
  reconcile::StatusBoard& board;
  reconcile::Reconciler& reconciler;
};

// A unary call in two parts: `begin` runs on the pool and either fails, finishes at once, or names
// the VMs and generations to wait for; `answer` then fills the response, on the pool too.
//
// The wait ends shortly before the client's deadline, so that the client learns why it is not done
// yet instead of a bare DEADLINE_EXCEEDED; the agent goes on meanwhile. A client that went away
// stops its wait and nothing else.
class SettleCall final : public grpc::ServerUnaryReactor {
 public:
  struct Target {
    Uuid uuid;
    int64_t generation = 0;
    bool wait = false;
  };
  using BeginFn = std::function<absl::StatusOr<Target>()>;
  using AnswerFn = std::function<absl::Status()>;
  // Those to wait for; none: the call is answered at once.
  using BeginAllFn = std::function<absl::StatusOr<std::vector<Target>>()>;
  // Given how each target has settled, in their order.
  using AnswerAllFn = std::function<absl::Status(const std::vector<absl::Status>& settled)>;

  // Both delete themselves when gRPC is done with the call. A VM that settles with an error is the
  // answer of the first, and up to `answer` in the second.
  static grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context,
                                         const SettleContext& shared, BeginFn begin,
                                         AnswerFn answer);
  static grpc::ServerUnaryReactor* StartAll(grpc::CallbackServerContext* context,
                                            const SettleContext& shared, BeginAllFn begin,
                                            AnswerAllFn answer);

 private:
  class Wait;

  SettleCall(const SettleContext& shared, AnswerAllFn answer);
  void OnCancel() override;
  void OnDone() override;
  // `status`: of the call, before `answer` has its say.
  void Answer(const absl::Status& status, std::vector<absl::Status> settled);

  const SettleContext shared_;
  const AnswerAllFn answer_;
  const std::shared_ptr<Wait> wait_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_SETTLE_CALL_H_
