// What an operator needs to compare the secrets of nodes: what libvirt holds, against what was
// synced and what the cluster agreed on, and which guests use it. Only looks.
#ifndef HVAGENT_AGENT_KEEPER_SECRET_REPORT_H_
#define HVAGENT_AGENT_KEEPER_SECRET_REPORT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "agent/keeper/domain_secrets.h"
#include "agent/keeper/secret_keeper.h"
#include "hvagent/v1/secret_service.pb.h"

namespace hvagent::keeper {

// Thread-safe; blocks on libvirt, the state and Ceph.
class SecretReporter {
 public:
  // Everything passed by reference outlives this object.
  SecretReporter(KeeperParts parts, SecretKeeper& keeper)
      : parts_(parts), keeper_(keeper), domains_(parts.hypervisor) {}

  // Those that this node keeps, by entity, then libvirt's others, by UUID. With `prove` connects to
  // Ceph with each value that is there.
  // Errors: UNAVAILABLE (libvirt, or the salt of fingerprints was never known).
  absl::StatusOr<v1::CheckSecretsResponse> Check(bool prove);

 private:
  struct World {
    std::vector<secrets::SecretRecord> present;
    std::vector<secrets::DomainUse> domains;
    secrets::SecretBytes salt;
  };

  absl::Status ReportBinding(const World& world, const state::SecretBinding& binding, bool prove,
                             v1::SecretReport& report);
  absl::Status ReportValue(const World& world, const state::SecretBinding& binding,
                           const secrets::SecretRecord& record, bool prove,
                           v1::SecretReport& report);
  void ReportClaim(const state::SecretBinding& binding, v1::SecretReport& report);
  void ReportProof(const state::SecretBinding& binding, const secrets::SecretBytes& value,
                   v1::SecretReport& report);

  const KeeperParts parts_;
  SecretKeeper& keeper_;
  DomainSecrets domains_;
};

}  // namespace hvagent::keeper

#endif  // HVAGENT_AGENT_KEEPER_SECRET_REPORT_H_
