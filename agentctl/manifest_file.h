// Manifests as files: read, checked, and each VM given its node.
#ifndef HVAGENT_AGENTCTL_MANIFEST_FILE_H_
#define HVAGENT_AGENTCTL_MANIFEST_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/node.h"
#include "hvagent/v1/manifest.pb.h"

namespace hvagent::agentctl {

// Reads `path` ("-" is standard input) and checks all that can be checked here, so that a fault
// in the last VM is found before the first is sent.
// Errors: those of reading it; INVALID_ARGUMENT with the field's path and the file's name.
absl::StatusOr<v1::Manifest> ReadManifest(const std::string& path);

// The node that vms[index] is meant for: what --node says, else what the manifest says, else the
// only node that there is.
// Errors: INVALID_ARGUMENT (vms[index].node) when that is none, several, or two that differ.
absl::StatusOr<Node*> ChooseNode(Cli& cli, const v1::Manifest& manifest, int index);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_MANIFEST_FILE_H_
