// Which ceph secrets the domains of this node name, as libvirt says each time anew, and the one
// change to them: naming another secret.
//
// Thread-safe; blocks on libvirt, for a call or two for each domain.
#ifndef HVAGENT_AGENT_KEEPER_DOMAIN_SECRETS_H_
#define HVAGENT_AGENT_KEEPER_DOMAIN_SECRETS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/hypervisor/hypervisor.h"
#include "base/uuid.h"
#include "secrets/secret_plan.h"
#include "secrets/secret_store.h"

namespace hvagent::keeper {

// Whether `domain` runs with the secret `uuid` of `entity`, or with one that stood for `entity`
// before and is replaced since.
bool RunsWith(const secrets::DomainUse& domain, const Uuid& uuid, const std::string& entity);

class DomainSecrets {
 public:
  // `hypervisor` outlives this object.
  explicit DomainSecrets(hypervisor::Hypervisor& hypervisor) : hypervisor_(hypervisor) {}

  // Every domain, ours and foreign, that names a ceph secret, by name. A secret named by its usage
  // counts as the one of `present` that has it. A domain that goes away meanwhile is left out.
  absl::StatusOr<std::vector<secrets::DomainUse>> List(
      const std::vector<secrets::SecretRecord>& present);

  // Makes every definition that names `from` name `to`; what runs goes on with what it has.
  // Idempotent: those that are moved already stay.
  absl::Status Move(const secrets::SecretRecord& from, const Uuid& to);

 private:
  absl::StatusOr<secrets::DomainUse> Look(const hypervisor::DomainInfo& domain,
                                          const std::vector<secrets::SecretRecord>& present);
  absl::Status MoveOne(const hypervisor::DomainInfo& domain, const secrets::SecretRecord& from,
                       const Uuid& to);

  hypervisor::Hypervisor& hypervisor_;
};

}  // namespace hvagent::keeper

#endif  // HVAGENT_AGENT_KEEPER_DOMAIN_SECRETS_H_
