// Follows an operation on a node to its end, for every command that starts one there.
#ifndef HVAGENT_AGENTCTL_FOLLOW_H_
#define HVAGENT_AGENTCTL_FOLLOW_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/node.h"
#include "hvagent/v1/operation.pb.h"

namespace hvagent::agentctl {

// Returns the operation as it ended, succeeded or not (OutcomeOf tells); on a terminal a bar shows
// meanwhile how far it is. A connection that breaks is made again: the operation does not mind, nor
// does it mind a restart of the agent.
//
// Ctrl-C, on a terminal, asks once whether to cancel the operation; without a yes it is left
// running. --yes is no answer to that. Makes Interrupts of its own: the caller has none then.
//
// Errors: with kGoesOnThere CANCELLED when the user left it running, DEADLINE_EXCEEDED when
// --timeout passed; with kInDoubt when the node fell silent. All name the operation's id.
absl::StatusOr<v1::Operation> FollowOperation(Cli& cli, Node& node, v1::Operation operation);

// OK when it succeeded, else the error that it ended with.
absl::Status OutcomeOf(const v1::Operation& operation);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_FOLLOW_H_
