// Waiting for a VM to become what was asked for.
#ifndef HVAGENT_AGENTCTL_VM_WAIT_H_
#define HVAGENT_AGENTCTL_VM_WAIT_H_

#include <string>

#include "agentctl/cli.h"
#include "agentctl/interrupts.h"
#include "agentctl/node.h"

namespace hvagent::agentctl {

// Options for a call with `wait` about the VM `uuid`. Meanwhile its state is asked for, and each
// change of it noted on the terminal under the VM's `name`.
ChangeOptions WaitForVm(Cli& cli, Interrupts& interrupts, const std::string& uuid,
                        const std::string& name);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_VM_WAIT_H_
