// The hypervisor seam over libvirt: QEMU in production, any driver with domains in tests.
//
// It looks before it acts and again after a failure: what state a domain is in is never concluded
// from an error code, which differs between drivers.
//
// A definition may hold passwords: every copy of ours is wiped, those inside libvirt's client
// library are not in our hands.
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_HYPERVISOR_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_HYPERVISOR_H_

#include <string>
#include <utility>
#include <vector>

#include "agent/hypervisor/hypervisor.h"
#include "agent/hypervisor/libvirt_connection.h"

namespace hvagent::hypervisor {

class LibvirtHypervisor final : public Hypervisor {
 public:
  // `connection` outlives this, and its one listener for domains is this one's. Each start is
  // ordered in `start_orders_dir` (start_order.h), if that is not empty.
  explicit LibvirtHypervisor(LibvirtConnection* connection, std::string start_orders_dir = "")
      : connection_(connection), start_orders_dir_(std::move(start_orders_dir)) {}

  absl::Status Health() const override;
  absl::StatusOr<HostInfo> GetHost() override;
  absl::StatusOr<std::vector<DomainInfo>> ListDomains() override;
  absl::StatusOr<DomainInfo> GetDomain(const Uuid& uuid) override;
  absl::StatusOr<DomainInfo> GetDomainByName(absl::string_view name) override;
  absl::StatusOr<std::string> GetDomainXml(const Uuid& uuid) override;
  absl::StatusOr<secrets::SecretBytes> GetDefinition(const Uuid& uuid) override;
  absl::Status DefineDomain(absl::string_view xml) override;
  absl::Status StartDomain(const Uuid& uuid) override;
  absl::Status StartDomainPaused(const Uuid& uuid) override;
  absl::Status ResumeDomain(const Uuid& uuid) override;
  absl::Status ShutdownDomain(const Uuid& uuid) override;
  absl::Status RebootDomain(const Uuid& uuid, bool force) override;
  absl::Status ResizeDisk(const Uuid& uuid, const std::string& pool, const std::string& image,
                          uint64_t size_bytes) override;
  absl::Status AttachDisk(const Uuid& uuid, absl::string_view disk_xml) override;
  absl::Status DetachDisk(const Uuid& uuid, const std::string& pool,
                          const std::string& image) override;
  absl::Status FreezeFilesystems(const Uuid& uuid) override;
  absl::Status ThawFilesystems(const Uuid& uuid) override;
  absl::Status DestroyDomain(const Uuid& uuid) override;
  absl::StatusOr<std::unique_ptr<Console>> OpenConsole(const Uuid& uuid, bool take_over) override;
  absl::Status UndefineDomain(const Uuid& uuid) override;
  void SetListener(DomainListener listener) override;

 private:
  absl::Status StartWith(const Uuid& uuid, unsigned int flags);

  LibvirtConnection* const connection_;
  const std::string start_orders_dir_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_HYPERVISOR_H_
