// What is wrong with secrets between nodes, where each node for itself may be in order.
#ifndef HVAGENT_AGENTCTL_SECRET_COMPARE_H_
#define HVAGENT_AGENTCTL_SECRET_COMPARE_H_

#include <string>
#include <utility>
#include <vector>

#include "hvagent/v1/secret_service.pb.h"

namespace hvagent::agentctl {

// One secret on one node. A report without an entity is of a secret that nobody asked the agent to
// keep.
struct SecretCell {
  std::string node;
  // Whose secret it is, or in the way of whose; empty: nobody's.
  std::string entity;
  v1::SecretReport report;
};

// Each entity on each node, by entity and then in the order of `nodes`; libvirt's other secrets
// come last. To what the agents found themselves is added, the worst first:
//   SECRET_MISSING          others keep the entity, and this node does not (such a cell is made)
//   SECRET_VALUE_DIFFERS    another key than on most nodes
//   SECRET_UUID_DIFFERS     another UUID than the cluster agreed on, or than on most nodes
//   SECRET_USAGE_DIFFERS    another usage than on most nodes
//   SECRET_ROTATION_DIFFERS guests start as another entity than on most nodes
// Where there is no majority, all that differ have the finding. A key that Ceph refuses has no
// say. One of libvirt's other secrets has a finding when it bears the UUID or the usage of one
// that is kept somewhere, and is not that one. Pure.
std::vector<SecretCell> CompareSecrets(
    const std::vector<std::pair<std::string, v1::CheckSecretsResponse>>& nodes);

// The key's fingerprint: of what libvirt holds or, where it does not say, of what was synced.
std::string FingerprintOf(const v1::SecretReport& report);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_SECRET_COMPARE_H_
