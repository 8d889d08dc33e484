// The secret seam over libvirt's secret driver.
//
// A key is copied on its way to libvirt, since a call that hangs may outlive its caller; every
// copy of ours is wiped, those inside libvirt's client library are not in our hands.
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_SECRET_STORE_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_SECRET_STORE_H_

#include <vector>

#include "agent/hypervisor/libvirt_connection.h"
#include "secrets/secret_store.h"

namespace hvagent::hypervisor {

class LibvirtSecretStore final : public secrets::SecretStore {
 public:
  // `connection` outlives this, and its one listener for secrets is this one's.
  explicit LibvirtSecretStore(LibvirtConnection* connection) : connection_(connection) {}

  absl::StatusOr<std::vector<secrets::SecretRecord>> List() override;
  absl::Status Define(const secrets::SecretRecord& record) override;
  absl::Status SetValue(const Uuid& uuid, const secrets::SecretBytes& value) override;
  absl::StatusOr<secrets::SecretBytes> GetValue(const Uuid& uuid) override;
  absl::Status Undefine(const Uuid& uuid) override;
  void SetListener(secrets::SecretListener listener) override;

 private:
  LibvirtConnection* const connection_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_SECRET_STORE_H_
