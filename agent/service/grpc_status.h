// The one place that turns an absl::Status into a grpc::Status: same code and message, and the
// payloads as google.rpc details (agent/operations/rpc_status.h).
#ifndef HVAGENT_AGENT_SERVICE_GRPC_STATUS_H_
#define HVAGENT_AGENT_SERVICE_GRPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace hvagent::service {

grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_GRPC_STATUS_H_
