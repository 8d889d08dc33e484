// What `agentctl apply`, `agentctl vm apply` and `agentctl diff` do.
#ifndef HVAGENT_AGENTCTL_APPLY_H_
#define HVAGENT_AGENTCTL_APPLY_H_

#include <string>

#include "agentctl/cli.h"
#include "agentctl/exit_code.h"

namespace hvagent::agentctl {

struct ApplyOptions {
  // Refuses a manifest with secrets.
  bool vms_only = false;
  // Deletes the VMs of the nodes in question (--node, else all) that the manifest leaves out.
  bool prune = false;
  // Only says what would change; kNotAsItShouldBe when anything would.
  bool diff = false;
};

// Brings the manifest in `file` to the nodes that it names: first its secrets to every node that
// gets a VM (to all nodes when there are no VMs), then its VMs, as one push to each node, all nodes
// at once, awaited until each VM is as wished. A VM that some node has already stays there: the
// manifest's node is the first placement only. A node where a secret failed gets no VM. With
// --dry-run shows the plans.
ExitCode Apply(Cli& cli, const std::string& file, const ApplyOptions& options);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_APPLY_H_
