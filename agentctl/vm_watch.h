// `agentctl get vm -w`: the VMs of the nodes, and each change of them as it happens.
#ifndef HVAGENT_AGENTCTL_VM_WATCH_H_
#define HVAGENT_AGENTCTL_VM_WATCH_H_

#include <string>

#include "agentctl/cli.h"
#include "agentctl/exit_code.h"

namespace hvagent::agentctl {

// Writes a row for each VM, and for each change of it from then on, until --timeout or Ctrl-C. With
// `id`, a UUID or a name, of that VM only. A stream that breaks goes on where it broke; where that
// cannot be, all VMs of the node are shown again. With -o json one object a line.
ExitCode WatchVms(Cli& cli, const std::string& id);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_VM_WATCH_H_
