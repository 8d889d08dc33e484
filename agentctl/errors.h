// From a failed call to what a person and a script read about it.
//
// Inside agentctl an error is an absl::Status with base/error.h's reason and field, as in the
// agent. This file takes it off the wire, may tie a hint and an exit code to it, and writes it:
// one line on stderr that says what failed, where, why and what to do.
#ifndef HVAGENT_AGENTCTL_ERRORS_H_
#define HVAGENT_AGENTCTL_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agentctl/exit_code.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace hvagent::agentctl {

// What an operation ended with, or the status of a call, with the reason (ErrorInfo) and the field
// (BadRequest) that the agent sent in the details.
absl::Status FromRpc(const google::rpc::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// Whether the agent itself gave this answer. What gRPC makes up when a connection fails or a
// deadline passes carries no details, and says nothing about what the agent did.
bool IsFromAgent(const grpc::Status& status);

// Ties to `status` the exit code that it shall lead to, or what a person should do about it.
absl::Status WithExit(absl::Status status, ExitCode code);
absl::Status WithHint(absl::Status status, absl::string_view hint);

// kDone for OK, the code that was tied to `status`, else kFailed.
ExitCode ExitCodeOf(const absl::Status& status);

struct Failure {
  // What could not be done, as "get image jammy".
  std::string what;
  // Empty when it is about no node.
  std::string node;
  absl::Status status;
};

// "agentctl: <what> on <node>: <message> (<hint>)", in one line, without control characters.
std::string FailureLine(const Failure& failure);

// {"error": {"what", "node", "code", "reason", "field", "message", "hint"}} in one line; what is
// not known is left out.
std::string FailureJson(const Failure& failure);

// `text` in one line that a terminal can be trusted with: control characters as \xNN.
std::string OneLine(absl::string_view text);

// `text` as a JSON string, with its quotes.
std::string JsonString(absl::string_view text);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_ERRORS_H_
