// The hypervisor seam in memory, with the semantics of libvirt's: for `agentd --backend=memory`
// and for tests. Guests obey the power button at once unless told otherwise.
//
// Any domain XML with a name and a UUID can be defined; a start looks at the disks of our own
// domains (those that domain_xml::Parse reads) only. AddForeignDomain takes any text.
//
// Thread-safe. Nothing blocks, but for the storage.
#ifndef HVAGENT_AGENT_HYPERVISOR_MEMORY_HYPERVISOR_H_
#define HVAGENT_AGENT_HYPERVISOR_MEMORY_HYPERVISOR_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/hypervisor/event_dispatcher.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/hypervisor/memory_console.h"
#include "agent/hypervisor/memory_faults.h"
#include "agent/hypervisor/memory_secret_store.h"
#include "base/mutex.h"
#include "domain_xml/domain_spec.h"

namespace hvagent::hypervisor {

class MemoryHypervisor final : public Hypervisor {
 public:
  // What the node's QEMUs do with their disks, each as a Ceph client with an address of its own.
  // Both are called under a lock of the hypervisor's, which they must not call back.
  struct Storage {
    // Opens a disk, or says why QEMU cannot.
    std::function<absl::Status(const std::string& address, const domain_xml::RbdDisk& disk)> open;
    // The client is gone, with all that it had open.
    std::function<void(const std::string& address)> close;
  };

  // `faults` and `secrets` outlive this. A guest whose disk names a secret that is not in
  // `secrets`, or has no value, does not start.
  MemoryHypervisor(HostInfo host, MemoryFaults* faults, const MemorySecretStore* secrets);

  // Without it, every image opens. Both functions must be given.
  void SetStorage(Storage storage);

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
  absl::Status SuspendDomain(const Uuid& uuid) override;
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

  // What happens to a node and its guests by itself. Unknown domains are ignored.

  // While `health` is not OK the connection is lost; when it is again, all are to be looked at.
  void SetHealth(absl::Status health);
  // Somebody else's domain, in any state.
  void AddForeignDomain(DomainInfo info, const std::string& xml);
  void SetIgnoresPowerButton(const Uuid& uuid, bool ignores);
  // Such a guest never lets go of a disk.
  void SetKeepsDisks(const Uuid& uuid, bool keeps);
  // What its running guest was last told of the disk's size; 0: nothing.
  uint64_t ToldDiskSize(const Uuid& uuid, const std::string& image);
  // Guests have one until it is taken away.
  void SetHasAgent(const Uuid& uuid, bool has_agent);
  bool IsFrozen(const Uuid& uuid);
  // An operator pauses the running guest.
  void PauseDomain(const Uuid& uuid);
  // QEMU pauses the running guest, since one of its disks failed.
  void FailDisk(const Uuid& uuid);
  // How often the domain was started.
  int Starts(const Uuid& uuid);
  // The guest's QEMU dies.
  void CrashDomain(const Uuid& uuid);
  // The running guest shuts down by itself.
  void ShutDownGuest(const Uuid& uuid);

 private:
  struct Domain {
    DomainInfo info;
    std::string xml;       // what is defined
    std::string live_xml;  // what the running guest was started from
    std::string address;   // of its QEMU to Ceph
    // Of the clients for disks that it was given as it ran, by "pool/image".
    std::map<std::string, std::string> attached;
    bool ignores_power_button = false;
    bool keeps_disks = false;
    std::map<std::string, uint64_t> told_sizes;  // of the running guest's disks, by image
    bool has_agent = true;
    bool frozen = false;
    int starts = 0;
    std::shared_ptr<MemorySerialPort> console;  // as last opened

    bool IsActive() const {
      return info.state == DomainState::kRunning || info.state == DomainState::kPaused;
    }
  };
  using Domains = std::map<Uuid, Domain>;

  absl::StatusOr<Domains::iterator> Find(const Uuid& uuid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetFrozen(const Uuid& uuid, bool frozen);
  absl::Status Define(absl::string_view xml);
  absl::Status Start(const Uuid& uuid, DomainState state);
  // As a disk over `source`, "pool/image".
  absl::Status Open(const std::string& address, const std::string& source) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OpenDisks(const Domain& domain) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Pause(Domains::iterator domain, StateReason reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(Domains::iterator domain) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Stop(Domains::iterator domain, DomainState state, StateReason reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const HostInfo host_;
  MemoryFaults* const faults_;
  const MemorySecretStore* const secrets_;
  EventDispatcher events_{"domain-events"};
  Mutex mutex_;
  Storage storage_ ABSL_GUARDED_BY(mutex_);
  Domains domains_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Uuid, std::less<>> uuids_ ABSL_GUARDED_BY(mutex_);  // by name
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_MEMORY_HYPERVISOR_H_
