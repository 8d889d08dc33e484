// What SecretService.Sync and a push's secrets share: the request checked, its key moved into a
// type that cannot be printed, then libvirt's secret made right. Thread-safe.
#ifndef HVAGENT_AGENT_SERVICE_SECRET_SYNC_H_
#define HVAGENT_AGENT_SERVICE_SECRET_SYNC_H_

#include <functional>

#include "absl/status/statusor.h"
#include "agent/keeper/secret_keeper.h"
#include "hvagent/v1/secret.pb.h"
#include "secrets/ceph_key.h"
#include "secrets/cluster_keys.h"

namespace hvagent::service {

class SecretSync {
 public:
  struct Admitted {
    keeper::SecretWish wish;
    secrets::CephKey key;
  };

  // `keys` and `keeper` outlive this object. `look_at_vms` is called when guests may start that
  // could not before.
  SecretSync(secrets::ClusterKeys& keys, keeper::SecretKeeper& keeper,
             std::function<void()> look_at_vms)
      : keys_(keys), keeper_(keeper), look_at_vms_(std::move(look_at_vms)) {}

  // Wipes the key in `request`, whatever comes of it. Blocks where the key is in a file or at the
  // monitors. Errors: INVALID_ARGUMENT (the field), NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE.
  absl::StatusOr<Admitted> Admit(v1::SyncSecretRequest& request);

  // Errors: SecretKeeper::Sync's.
  absl::StatusOr<v1::SyncSecretResponse> Sync(const Admitted& secret);

 private:
  absl::StatusOr<secrets::CephKey> KeyOf(const v1::SyncSecretRequest& request);

  secrets::ClusterKeys& keys_;
  keeper::SecretKeeper& keeper_;
  const std::function<void()> look_at_vms_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_SECRET_SYNC_H_
