// What `agentctl secret status` does.
#ifndef HVAGENT_AGENTCTL_SECRET_STATUS_H_
#define HVAGENT_AGENTCTL_SECRET_STATUS_H_

#include <string>

#include "agentctl/cli.h"
#include "agentctl/exit_code.h"

namespace hvagent::agentctl {

// Shows every secret on every node and what is wrong with it, there or between the nodes. With
// `prove` each node connects to Ceph with each key. `entity`: only this one; empty: all.
ExitCode ShowSecretStatus(Cli& cli, const std::string& entity, bool prove);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_SECRET_STATUS_H_
