// What `agentctl secret rotate` and `agentctl secret retire` do: a whole fleet from one cephx user
// to the next, and the end of the one before.
#ifndef HVAGENT_AGENTCTL_SECRET_ROTATE_H_
#define HVAGENT_AGENTCTL_SECRET_ROTATE_H_

#include <string>

#include "agentctl/cli.h"
#include "agentctl/exit_code.h"
#include "agentctl/guest_restart.h"

namespace hvagent::agentctl {

struct RotateFlags {
  std::string entity;
  std::string to;
  // Where the key of `to` is (secret_sync.h); empty: its secret is on every node already.
  std::string from;
  bool restart = false;
  RestartOptions restart_options;
};

// Makes guests start as `to` where they would have started as `entity`, on every node or on none
// that it can help: first all nodes are looked at, then all have the secret of `to`, proved, then
// all start guests with it, and last, with `restart`, the guests that still run as `entity` are
// restarted, one node at a time. Each step begins when the one before is done on every node. What
// was done is not done again, so the same command goes on after an interruption; with the two
// exchanged it leads back. Asks before it restarts guests.
ExitCode RotateSecret(Cli& cli, const RotateFlags& flags);

// Removes the secret of `entity` from every node, if no node has a guest that uses it and every
// node could be asked. Asks before that.
ExitCode RetireSecret(Cli& cli, const std::string& entity);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_SECRET_ROTATE_H_
