// agentctl as a function, so that tests run it as people do.
#ifndef HVAGENT_AGENTCTL_RUN_H_
#define HVAGENT_AGENTCTL_RUN_H_

#include <string>
#include <vector>

#include "agentctl/cli.h"
#include "agentctl/exit_code.h"

namespace hvagent::agentctl {

// Parses `arguments` (without the program's name), carries the command out, and returns the exit
// code. Everything that is written goes to `streams`.
ExitCode Run(const std::vector<std::string>& arguments, const Streams& streams);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_RUN_H_
