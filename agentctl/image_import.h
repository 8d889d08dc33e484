// Streaming a disk image to an agent.
#ifndef HVAGENT_AGENTCTL_IMAGE_IMPORT_H_
#define HVAGENT_AGENTCTL_IMAGE_IMPORT_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/interrupts.h"
#include "agentctl/node.h"
#include "hvagent/v1/operation.pb.h"

namespace hvagent::agentctl {

struct ImportWish {
  // "-" is standard input; for ImportNodeFile a path on the node.
  std::string file;
  std::string id;
  // Nothing where the user did not say: raw.
  std::optional<v1::Image::Format> format;
  // Lower-case hexadecimal; empty: not checked.
  std::string sha256;
};

// Sends the file as it is and waits for the agent's verdict. An upload lives as long as this
// call: Ctrl-C or --timeout cancel it, and the agent then removes what it had written.
// What the file is, is never guessed; but one that begins as qcow2 where the user named no format
// is not sent, since a guest would find no disk in it.
// Errors: FAILED_PRECONDITION when the file cannot be read (FILE_UNREADABLE) or begins as qcow2
// (FORMAT_NOT_SAID); the agent's; exit code kInDoubt when the connection was lost after everything
// had been sent.
absl::StatusOr<v1::Operation> ImportImage(Cli& cli, Interrupts& interrupts, Node& node,
                                          const ImportWish& wish);

// Has the agent import a file of its own node, and follows that to its end (FollowOperation).
// Errors: the agent's; those of FollowOperation; what the import ended with.
absl::StatusOr<v1::Operation> ImportNodeFile(Cli& cli, Node& node, const ImportWish& wish);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_IMAGE_IMPORT_H_
