// The secret seam in memory, with the semantics of libvirt's: for `agentd --backend=memory` and
// for tests.
//
// Thread-safe. Nothing blocks.
#ifndef HVAGENT_AGENT_HYPERVISOR_MEMORY_SECRET_STORE_H_
#define HVAGENT_AGENT_HYPERVISOR_MEMORY_SECRET_STORE_H_

#include <map>
#include <vector>

#include "agent/hypervisor/event_dispatcher.h"
#include "agent/hypervisor/memory_faults.h"
#include "base/mutex.h"
#include "secrets/secret_store.h"

namespace hvagent::hypervisor {

class MemorySecretStore final : public secrets::SecretStore {
 public:
  // `faults` outlives this.
  explicit MemorySecretStore(MemoryFaults* faults) : faults_(faults) {}

  absl::StatusOr<std::vector<secrets::SecretRecord>> List() override;
  absl::Status Define(const secrets::SecretRecord& record) override;
  absl::Status SetValue(const Uuid& uuid, const secrets::SecretBytes& value) override;
  absl::StatusOr<secrets::SecretBytes> GetValue(const Uuid& uuid) override;
  absl::Status Undefine(const Uuid& uuid) override;
  void SetListener(secrets::SecretListener listener) override;

  // What QEMU's start asks libvirt for: OK when the secret is there and has a value, private or
  // not. Not a call across the seam.
  // Errors: NOT_FOUND (SECRET_NOT_FOUND, SECRET_HAS_NO_VALUE).
  absl::Status CheckUsable(const Uuid& uuid) const;

  // A restart of libvirtd: ephemeral secrets are gone, and all are to be looked at.
  void LoseEphemeral();

 private:
  struct Secret {
    secrets::SecretRecord record;
    secrets::SecretBytes value;  // empty: none
  };

  absl::Status DefineRecord(const secrets::SecretRecord& record);

  MemoryFaults* const faults_;
  EventDispatcher events_{"secret-events"};
  mutable Mutex mutex_;
  std::map<Uuid, Secret> secrets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_MEMORY_SECRET_STORE_H_
