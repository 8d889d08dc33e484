// Streaming a disk image to an agent.
#ifndef HVAGENT_AGENTCTL_IMAGE_IMPORT_H_
#define HVAGENT_AGENTCTL_IMAGE_IMPORT_H_

#include <string>

#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/interrupts.h"
#include "agentctl/node.h"
#include "hvagent/v1/operation.pb.h"

namespace hvagent::agentctl {

struct ImportWish {
  // "-" is standard input.
  std::string file;
  std::string id;
  // Lower-case hexadecimal; empty: not checked.
  std::string sha256;
};

// Sends the file as it is and waits for the agent's verdict. An upload lives as long as this
// call: Ctrl-C or --timeout cancel it, and the agent then removes what it had written.
// Errors: FAILED_PRECONDITION when the file cannot be read or is a qcow2 image; the agent's;
// exit code kInDoubt when the connection was lost after everything had been sent.
absl::StatusOr<v1::Operation> ImportImage(Cli& cli, Interrupts& interrupts, Node& node,
                                          const ImportWish& wish);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_IMAGE_IMPORT_H_
