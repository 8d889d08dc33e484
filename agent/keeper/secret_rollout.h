// From one entity to the next, on this node: who starts as whom, who is left, and the end of the
// one that nobody uses any more. The fleet's rollout is agentctl's or a controller's, made of
// these.
#ifndef HVAGENT_AGENT_KEEPER_SECRET_ROLLOUT_H_
#define HVAGENT_AGENT_KEEPER_SECRET_ROLLOUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "agent/keeper/domain_secrets.h"
#include "agent/keeper/secret_keeper.h"
#include "hvagent/v1/secret_service.pb.h"

namespace hvagent::keeper {

// Thread-safe; blocks on libvirt, Ceph and the state.
class SecretRollout {
 public:
  // `guest_entity`: who guests are to Ceph where nothing supersedes it. Everything passed by
  // reference outlives this object.
  SecretRollout(KeeperParts parts, SecretKeeper& keeper, std::string guest_entity)
      : parts_(parts),
        keeper_(keeper),
        domains_(parts.hypervisor),
        guest_entity_(std::move(guest_entity)) {}

  // As SecretService.Rotate.
  absl::StatusOr<v1::RotateSecretResponse> Rotate(const std::string& entity, const std::string& to,
                                                  bool dry_run);

  // As SecretService.Retire.
  absl::StatusOr<v1::RetireSecretResponse> Retire(const std::string& entity, bool dry_run);

 private:
  // Errors: FAILED_PRECONDITION (SECRET_NOT_SUPERSEDED) while guests start as `entity`.
  absl::Status CheckSuperseded(const std::string& entity);
  absl::StatusOr<std::vector<secrets::DomainUse>> UsersOf(const state::SecretBinding& binding);

  const KeeperParts parts_;
  SecretKeeper& keeper_;
  DomainSecrets domains_;
  const std::string guest_entity_;
  Mutex mutex_;  // one rotation at a time
};

}  // namespace hvagent::keeper

#endif  // HVAGENT_AGENT_KEEPER_SECRET_ROLLOUT_H_
