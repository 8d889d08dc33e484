// What `agentctl apply` and `agentctl vm apply` do.
#ifndef HVAGENT_AGENTCTL_APPLY_H_
#define HVAGENT_AGENTCTL_APPLY_H_

#include <string>

#include "agentctl/cli.h"
#include "agentctl/exit_code.h"

namespace hvagent::agentctl {

// Brings the manifest in `file` to the nodes that it names: first its secrets to every node that
// gets a VM (to all nodes when there are no VMs), then its VMs, all at once, each awaited until it
// is as wished. A VM that some node has already stays there: the manifest's node is the first
// placement only. A node where a secret failed gets no VM. With --dry-run shows the plans.
// `vms_only` refuses a manifest with secrets.
ExitCode Apply(Cli& cli, const std::string& file, bool vms_only);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_APPLY_H_
