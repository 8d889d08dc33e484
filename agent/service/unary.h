// How a unary call is answered: its handler runs on the worker pool, never on a gRPC thread, since
// it may block on libvirt, librbd or the disk.
#ifndef HVAGENT_AGENT_SERVICE_UNARY_H_
#define HVAGENT_AGENT_SERVICE_UNARY_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/service/grpc_status.h"
#include "base/worker_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace hvagent::service {

// Runs `handler` on `pool`, moves what it returns into `*response`, and finishes the call. With a
// full pool the call fails at once with UNAVAILABLE. gRPC keeps request and response alive until
// the call is finished, so `handler` may refer to them.
template <typename Response>
grpc::ServerUnaryReactor* AnswerOnPool(grpc::CallbackServerContext* context, WorkerPool& pool,
                                       Response* response,
                                       std::function<absl::StatusOr<Response>()> handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued = pool.Submit([reactor, response, handler = std::move(handler)] {
    absl::StatusOr<Response> result = handler();
    if (result.ok()) *response = *std::move(result);
    reactor->Finish(ToGrpcStatus(result.status()));
  });
  if (!queued.ok()) reactor->Finish(ToGrpcStatus(queued));
  return reactor;
}

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_UNARY_H_
