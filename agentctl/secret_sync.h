// Bringing a cephx key from where it is to the agents. The key passes through SecretBytes only,
// and through one field of the request, which is wiped after the call.
#ifndef HVAGENT_AGENTCTL_SECRET_SYNC_H_
#define HVAGENT_AGENTCTL_SECRET_SYNC_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agentctl/cli.h"
#include "agentctl/interrupts.h"
#include "agentctl/node.h"
#include "agentctl/output.h"
#include "hvagent/v1/secret_service.pb.h"
#include "secrets/secret_bytes.h"

namespace hvagent::agentctl {

struct SecretWish {
  std::string entity;
  // Empty: the agent derives them.
  std::string uuid;
  std::string usage;
  // As `ceph auth get-key` prints it, checked.
  secrets::SecretBytes key;
};

// The key of `entity` from a keyring file, or from standard input for "-", which may also hold
// the bare key. No error quotes what was read.
// Errors: those of reading the file; NOT_FOUND or INVALID_ARGUMENT as of secrets/ceph_key.h.
absl::StatusOr<secrets::SecretBytes> ReadKey(const std::string& path, const std::string& entity);

// Syncs one secret to one node. With --dry-run only its plan comes back.
absl::StatusOr<v1::SyncSecretResponse> SyncSecret(const Cli& cli, Interrupts& interrupts,
                                                  Node& node, const SecretWish& wish);

// OBJECT, NAME, RESULT and WHY, as `apply` shows them too.
std::vector<Column> ChangeColumns();
Row RowOf(const v1::SyncSecretResponse& response, const std::string& node, bool dry_run);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_SECRET_SYNC_H_
