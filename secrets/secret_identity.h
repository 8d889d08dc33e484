// Under which UUID and usage name libvirt holds an entity's key.
//
// Domain XML names a secret by UUID, and a guest takes its XML along when it migrates, so the UUID
// has to be the same on every node. It is computed from the cluster and the entity, hence nobody
// has to hand it around; an operator who already has one (`secret sync --uuid`) keeps it.
//
// Thread-safe: all functions are pure.
#ifndef HVAGENT_SECRETS_SECRET_IDENTITY_H_
#define HVAGENT_SECRETS_SECRET_IDENTITY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/uuid.h"

namespace hvagent::secrets {

// The UUID of version 5 (RFC 4122, SHA-1) with the fsid as namespace and the entity as name: what
// `uuidgen --sha1 --namespace FSID --name client.cinder` prints. Never changes between releases.
Uuid DeriveSecretUuid(const Uuid& fsid, absl::string_view entity);

// "client.cinder@<fsid>". Different for each pair of cluster and entity, since '@' is in neither.
std::string DeriveUsage(const Uuid& fsid, absl::string_view entity);

// A usage that an operator chose: 1 to 128 printable ASCII characters, no space at either end
// (libvirt would keep it, and nobody would see it).
// Errors: INVALID_ARGUMENT that quotes the usage escaped and cut.
absl::Status CheckUsage(absl::string_view usage);

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_SECRET_IDENTITY_H_
