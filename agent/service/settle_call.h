// A call that is answered when a VM has settled: it is as its spec wants it, or cannot be.
#ifndef HVAGENT_AGENT_SERVICE_SETTLE_CALL_H_
#define HVAGENT_AGENT_SERVICE_SETTLE_CALL_H_

#include <functional>
#include <memory>

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
// the VM and generation to wait for; `answer` then fills the response, on the pool too.
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

  // Deletes itself when gRPC is done with the call.
  static grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context,
                                         const SettleContext& shared, BeginFn begin,
                                         AnswerFn answer);

 private:
  class Wait;

  SettleCall(const SettleContext& shared, AnswerFn answer);
  void OnCancel() override;
  void OnDone() override;
  void Answer(const absl::Status& settled);

  const SettleContext shared_;
  const AnswerFn answer_;
  const std::shared_ptr<Wait> wait_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_SETTLE_CALL_H_
