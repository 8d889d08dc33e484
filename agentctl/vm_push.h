// The VMs of a manifest on their way to the nodes: where each goes, one push for each node, and
// what came of it.
#ifndef HVAGENT_AGENTCTL_VM_PUSH_H_
#define HVAGENT_AGENTCTL_VM_PUSH_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/interrupts.h"
#include "agentctl/listing.h"
#include "agentctl/node.h"
#include "agentctl/output.h"
#include "hvagent/v1/manifest.pb.h"
#include "hvagent/v1/push.pb.h"

namespace hvagent::agentctl {

struct NodePush {
  Node* node = nullptr;
  // PARTIAL; each VM with the generation that it was seen at.
  v1::PushStateRequest request;
  // Of the deletions, in their order.
  std::vector<std::string> deleted_names;
};

// One push for each node that gets a VM. A VM that some node has already stays there: the
// manifest's node is the first placement only.
// Errors: those of ChooseNode; FAILED_PRECONDITION (VM_AMBIGUOUS).
absl::StatusOr<std::vector<NodePush>> PlanPushes(Cli& cli, const v1::Manifest& manifest);

// Adds the deletion of every VM on `nodes` that no push names. Fails when a node does not answer.
absl::Status AddPruned(Cli& cli, const std::vector<Node*>& nodes, std::vector<NodePush>& pushes);

// Sends a push and, unless it is a dry run, waits until its VMs are as they shall be.
absl::StatusOr<v1::PushStateResponse> Send(Cli& cli, Interrupts& interrupts, const NodePush& push,
                                           bool dry_run);

// A row for each VM of the push, and their exit codes.
void AddRows(const NodePush& push, const v1::PushStateResponse& response, bool dry_run,
             Outcome& outcome);

// Whether the push would change anything.
bool Changes(const v1::PushStateResponse& response);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_VM_PUSH_H_
