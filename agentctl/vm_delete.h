// VMs that are deleted, and had back.
#ifndef HVAGENT_AGENTCTL_VM_DELETE_H_
#define HVAGENT_AGENTCTL_VM_DELETE_H_

#include "agentctl/cli.h"
#include "agentctl/exit_code.h"

namespace hvagent::agentctl {

// `vm list --deleted`
ExitCode ListDeletedVms(Cli& cli);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_VM_DELETE_H_
