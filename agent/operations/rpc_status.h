// An absl::Status as the API's messages carry it: same code and message, and the payloads as
// google.rpc details (ErrorInfo with the reason, BadRequest with the field's path, RetryInfo where
// the same call may succeed later). In the answer of a call that failed, and in an operation's
// `error`. Pure.
#ifndef HVAGENT_AGENT_OPERATIONS_RPC_STATUS_H_
#define HVAGENT_AGENT_OPERATIONS_RPC_STATUS_H_

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace hvagent::operations {

google::rpc::Status ToRpcStatus(const absl::Status& status);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_RPC_STATUS_H_
