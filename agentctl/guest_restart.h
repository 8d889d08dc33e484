// Guests that are stopped and started again, so that they run with what they are defined with now.
#ifndef HVAGENT_AGENTCTL_GUEST_RESTART_H_
#define HVAGENT_AGENTCTL_GUEST_RESTART_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agentctl/cli.h"
#include "agentctl/interrupts.h"
#include "agentctl/node.h"
#include "hvagent/v1/secret_service.pb.h"

namespace hvagent::agentctl {

struct RestartOptions {
  // How long a guest may take to shut down before its power is cut.
  absl::Duration patience = absl::Minutes(1);
  // How many guests at a time.
  size_t parallel = 1;
};

// Restarts these guests of `node`, with a line about each step on a terminal; how each one ended,
// in their order. The first failure, or Ctrl-C, keeps all the others from being touched; the agent
// sees to it that what was asked to stop is started again.
// Errors of a guest: FAILED_PRECONDITION (NOT_OURS: some other program's), NotTried's, and
// VmService.Restart's.
std::vector<absl::Status> RestartGuests(Cli& cli, Interrupts& interrupts, Node& node,
                                        const std::vector<v1::VmRef>& guests,
                                        const RestartOptions& options);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_GUEST_RESTART_H_
