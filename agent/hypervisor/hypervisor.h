// Seam: the hypervisor of this node. LibvirtHypervisor talks to libvirtd; MemoryHypervisor is a
// shipped fake with the same semantics. Both pass tests/contract.
//
// Thread-safe. Every call blocks, for at most the implementation's configured deadline; none may
// be made from a gRPC thread. A lost connection is made again in the background.
// Errors of every call: UNAVAILABLE (LIBVIRT_UNAVAILABLE: not connected now, nothing was done;
// LIBVIRT_CONNECTION_LOST: the connection ended during the call, the outcome is unknown, so look),
// DEADLINE_EXCEEDED (LIBVIRT_TIMEOUT: no answer in time; the outcome is unknown, so look), and
// NOT_FOUND (DOMAIN_NOT_FOUND) where a domain is named. The raw libvirt code is a payload.
#ifndef HVAGENT_AGENT_HYPERVISOR_HYPERVISOR_H_
#define HVAGENT_AGENT_HYPERVISOR_HYPERVISOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/hypervisor/console.h"
#include "base/uuid.h"
#include "secrets/secret_bytes.h"

namespace hvagent::hypervisor {

enum class DomainState {
  kRunning,  // also blocked on a resource, and while it shuts down
  kPaused,   // also suspended to memory by the guest
  kShutOff,
  kCrashed,  // does not run, since its QEMU died or the guest crashed
};

struct DomainInfo {
  Uuid uuid;
  std::string name;
  DomainState state = DomainState::kShutOff;
  // Defined, and not only running until it stops.
  bool persistent = false;
};

struct HostInfo {
  std::string hostname;
  uint32_t cpus = 0;
  uint64_t memory_mib = 0;
  std::string libvirt_version;     // "9.0.0"
  std::string hypervisor_version;  // "7.2.19"
  // Whether libvirt can run guests with hardware virtualisation here: it offers KVM, and the
  // processor supports it. A /dev/kvm that is there does not always work.
  bool kvm = false;
};

// "Look at this domain again", or with nullopt "look at all of them" (a new connection).
using DomainListener = std::function<void(std::optional<Uuid>)>;

class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // OK while connected; else why not. Does not block.
  virtual absl::Status Health() const = 0;

  // As it was when the connection was made. Does not block.
  virtual absl::StatusOr<HostInfo> GetHost() = 0;

  // Every domain of the node, ours and foreign, running or not, in no order; as many calls to
  // libvirt for one domain as for a thousand.
  virtual absl::StatusOr<std::vector<DomainInfo>> ListDomains() = 0;

  // One domain by UUID or by name.
  virtual absl::StatusOr<DomainInfo> GetDomain(const Uuid& uuid) = 0;
  virtual absl::StatusOr<DomainInfo> GetDomainByName(absl::string_view name) = 0;

  // Its XML without keys: of the running guest, or of what is defined when it does not run.
  virtual absl::StatusOr<std::string> GetDomainXml(const Uuid& uuid) = 0;

  // The XML of what is defined, complete, to be changed and given back to DefineDomain: with what
  // GetDomainXml leaves out (passwords of displays), so it goes nowhere else.
  // Errors: FAILED_PRECONDITION (DOMAIN_TRANSIENT) when it only runs and has no definition.
  virtual absl::StatusOr<secrets::SecretBytes> GetDefinition(const Uuid& uuid) = 0;

  // Defines a domain, validated against libvirt's schema (but for one whose disks have a user with
  // a '.' in its name, which only the schema refuses); redefines one with the same UUID and name (a
  // running guest keeps what it runs with). Idempotent.
  // Errors: INVALID_ARGUMENT (libvirt refuses the XML), ALREADY_EXISTS (DOMAIN_NAME_TAKEN: the
  // name belongs to another UUID, or the UUID to another name).
  virtual absl::Status DefineDomain(absl::string_view xml) = 0;

  // Starts a defined domain; one that runs already is left alone. Idempotent.
  // Errors: FAILED_PRECONDITION (DOMAIN_START_FAILED) with libvirt's reason: a missing secret, a
  // disk that does not open.
  virtual absl::Status StartDomain(const Uuid& uuid) = 0;

  // As StartDomain, but its guest does not run before ResumeDomain. Its disks are open by then.
  virtual absl::Status StartDomainPaused(const Uuid& uuid) = 0;

  // Lets a paused guest run, whoever paused it; one that runs is left alone. Idempotent.
  // Errors: FAILED_PRECONDITION (DOMAIN_NOT_RUNNING: it is shut off).
  virtual absl::Status ResumeDomain(const Uuid& uuid) = 0;

  // Presses the power button and returns; the guest may take its time, or ignore it. A domain
  // that does not run is left alone.
  virtual absl::Status ShutdownDomain(const Uuid& uuid) = 0;

  // Asks the guest to reboot; `force` resets it.
  // Errors: FAILED_PRECONDITION (DOMAIN_NOT_RUNNING).
  virtual absl::Status RebootDomain(const Uuid& uuid, bool force) = 0;

  // Tells a running guest that its disk over the rbd image `pool`/`image` has `size_bytes` now. A
  // domain that does not run, or has no such disk, is left alone: it sees it at its next start.
  virtual absl::Status ResizeDisk(const Uuid& uuid, const std::string& pool,
                                  const std::string& image, uint64_t size_bytes) = 0;

  // Gives a running guest a disk: a <disk> over a network source, as its definition would have it.
  // One that has a disk over the same source is left alone. Its definition stays as it is.
  // Idempotent. Errors: FAILED_PRECONDITION (DOMAIN_NOT_RUNNING; ATTACH_FAILED with libvirt's
  // reason: no free slot, a disk that does not open), INVALID_ARGUMENT (not a <disk>).
  virtual absl::Status AttachDisk(const Uuid& uuid, absl::string_view disk_xml) = 0;

  // Asks a running guest to let go of its disk over the rbd image `pool`/`image`, and returns: it
  // is gone when GetDomainXml no longer has it, of which the listener hears; a guest may take its
  // time, or never do it. A domain that does not run, or has no such disk, is left alone, and so is
  // its definition. Idempotent.
  virtual absl::Status DetachDisk(const Uuid& uuid, const std::string& pool,
                                  const std::string& image) = 0;

  // Asks the guest's agent to bring its file systems to rest: all that was written is on the disks,
  // and what is written next waits for ThawFilesystems. Ends within seconds.
  // Errors: FAILED_PRECONDITION (DOMAIN_NOT_RUNNING; GUEST_AGENT_UNRESPONSIVE: there is no agent,
  // or none that answers), after which, too, the guest may be frozen.
  virtual absl::Status FreezeFilesystems(const Uuid& uuid) = 0;

  // Lets the guest write again; one that is not frozen is left alone. Ends within seconds.
  // Idempotent. Errors: as FreezeFilesystems.
  virtual absl::Status ThawFilesystems(const Uuid& uuid) = 0;

  // Cuts the power of a running guest; a domain that does not run is left alone. Idempotent.
  virtual absl::Status DestroyDomain(const Uuid& uuid) = 0;

  // Opens the serial console of a running guest; one at a time, `take_over` ends the other. What
  // the guest wrote before is in its log only. Errors: FAILED_PRECONDITION (DOMAIN_NOT_RUNNING;
  // CONSOLE_IN_USE).
  virtual absl::StatusOr<std::unique_ptr<Console>> OpenConsole(const Uuid& uuid,
                                                               bool take_over) = 0;

  // Removes the definition. Errors: FAILED_PRECONDITION (DOMAIN_RUNNING): libvirt would leave a
  // transient guest behind, so this refuses.
  virtual absl::Status UndefineDomain(const Uuid& uuid) = 0;

  // Sets the one listener, called from a thread of the implementation's; it must not block and
  // not call back in. nullptr removes it; when that returns, no call is under way. Notices may be
  // merged, and those from before the first listener come to it as one "look at all".
  virtual void SetListener(DomainListener listener) = 0;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_HYPERVISOR_H_
