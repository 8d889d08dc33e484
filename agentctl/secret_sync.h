// Syncing a secret to many nodes: where its key comes from, and the two rounds in which the nodes
// are asked. A key that is read here passes through SecretBytes only, and through one field of the
// request, which is wiped after the call.
#ifndef HVAGENT_AGENTCTL_SECRET_SYNC_H_
#define HVAGENT_AGENTCTL_SECRET_SYNC_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/interrupts.h"
#include "agentctl/node.h"
#include "agentctl/output.h"
#include "hvagent/v1/secret_service.pb.h"
#include "secrets/secret_bytes.h"

namespace hvagent::agentctl {

struct SecretWish {
  // All but the key, and what SyncSecret sets: dry_run and replaces_uuid.
  v1::SyncSecretRequest request;
  // In base64, checked; empty where the agents read it themselves.
  secrets::SecretBytes key;
};

// keyring:FILE and stdin are read here; node-keyring:FILE, credential:NAME and mon by each agent.
inline constexpr char kKeySources[] =
    "keyring:FILE or stdin (read here), node-keyring:FILE or credential:NAME (read on each node), "
    "mon (asked of the monitors)";

// Empty when `source` is one of them, else what is wrong with it.
std::string CheckKeySource(const std::string& source);

// Puts into `wish` the key of its entity, or where the agents find it, as `source` says; reads what
// is read here. No error quotes what was read.
// Errors: those of reading the file; NOT_FOUND or INVALID_ARGUMENT as of secrets/ceph_key.h.
absl::Status SetKeySource(const std::string& source, SecretWish& wish);

// The keyring that Ceph's own tools would read for `entity`, as a source.
std::string DefaultKeySource(const std::string& entity);

// Syncs `wish` to all of `nodes` at once, or with `dry_run` asks for the plans; the answers are in
// the order of `nodes`.
//
// A wish with a UUID or a usage may replace what the cluster agreed on, which changes every node
// sooner or later. So all are asked first: nothing is done when one of them refuses, and what they
// say that the cluster agreed on is all that is replaced. Of two operators who do this at once one
// gets ABORTED (SECRET_CLAIMED) from every node. Nodes that cannot be reached hinder nobody.
// Errors: ABORTED (SECRET_CLAIMED) when the nodes do not name the same agreement.
absl::StatusOr<std::vector<absl::StatusOr<v1::SyncSecretResponse>>> SyncSecret(
    const Cli& cli, Interrupts& interrupts, const std::vector<Node*>& nodes, const SecretWish& wish,
    bool dry_run);

// "DEFINE, SET_VALUE"; "would DEFINE, ..."; "in sync".
std::string SyncText(const v1::SyncSecretResponse& response, bool dry_run);

// OBJECT, NAME, RESULT and WHY, as `apply` shows them too; WHY is for -o wide when it is done, and
// for everybody before that.
std::vector<Column> ChangeColumns(bool dry_run);
Row RowOf(const v1::SyncSecretResponse& response, const std::string& node, bool dry_run);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_SECRET_SYNC_H_
