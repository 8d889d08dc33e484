#include "agent/hypervisor/libvirt_hypervisor.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_console.h"
#include "agent/hypervisor/libvirt_disks.h"
#include "agent/hypervisor/libvirt_error.h"
#include "agent/hypervisor/libvirt_handles.h"
#include "agent/hypervisor/start_order.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "pugixml.hpp"

namespace hvagent::hypervisor {
namespace {

using secrets::SecretBytes;

Uuid UuidOf(virDomainPtr domain) {
  Uuid::Bytes uuid{};
  virDomainGetUUID(domain, uuid.data());  // fails for an invalid pointer only
  return Uuid(uuid);
}

DomainState ToState(int state, int reason) {
  switch (state) {
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_PMSUSPENDED:
      return DomainState::kPaused;
    case VIR_DOMAIN_SHUTOFF:
      return reason == VIR_DOMAIN_SHUTOFF_CRASHED ? DomainState::kCrashed : DomainState::kShutOff;
    case VIR_DOMAIN_CRASHED:
      return DomainState::kCrashed;
    default:  // what is not known to be off counts as running
      return DomainState::kRunning;
  }
}

// The functions below work on a thread of the connection's. Every public call of libvirt's, even
// virDomainGetName, resets the thread's last error: what is said of one is put together before it.

absl::StatusOr<DomainInfo> Describe(virDomainPtr domain) {
  const absl::string_view name = virDomainGetName(domain);
  DomainInfo info{.uuid = UuidOf(domain), .name = std::string(name)};
  int state = 0;
  int reason = 0;
  if (virDomainGetState(domain, &state, &reason, 0) != 0) {
    return LibvirtError(absl::StrCat("cannot get the state of domain ", name));
  }
  info.state = ToState(state, reason);
  const int persistent = virDomainIsPersistent(domain);
  if (persistent < 0) return LibvirtError(absl::StrCat("cannot look at domain ", name));
  info.persistent = persistent == 1;
  return info;
}

// libvirt gives statistics as named values.
int IntegerStat(const virDomainStatsRecord& record, const char* name) {
  int value = 0;
  virTypedParamsGetInt(record.params, record.nparams, name, &value);
  return value;
}

absl::StatusOr<std::vector<DomainInfo>> List(virConnectPtr connection) {
  virDomainStatsRecordPtr* transient_raw = nullptr;
  virDomainStatsRecordPtr* all_raw = nullptr;
  // No record tells whether its domain is persistent, so ask for the others too: they are rare.
  // NOWAIT: a domain that is busy with a job is listed as well.
  constexpr unsigned int kFlags = VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
  if (virConnectGetAllDomainStats(connection, VIR_DOMAIN_STATS_STATE, &transient_raw,
                                  kFlags | VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT) < 0) {
    return LibvirtError("cannot list transient domains");
  }
  const VirDomainStats transient(transient_raw);
  const int count =
      virConnectGetAllDomainStats(connection, VIR_DOMAIN_STATS_STATE, &all_raw, kFlags);
  if (count < 0) return LibvirtError("cannot list domains");
  const VirDomainStats all(all_raw);

  std::set<Uuid> transient_uuids;
  for (virDomainStatsRecordPtr* record = transient.get(); *record != nullptr; ++record) {
    transient_uuids.insert(UuidOf((*record)->dom));
  }
  std::vector<DomainInfo> domains;
  domains.reserve(static_cast<size_t>(count));
  for (virDomainStatsRecordPtr* record = all.get(); *record != nullptr; ++record) {
    const Uuid uuid = UuidOf((*record)->dom);
    domains.push_back({.uuid = uuid,
                       .name = virDomainGetName((*record)->dom),
                       .state = ToState(IntegerStat(**record, "state.state"),
                                        IntegerStat(**record, "state.reason")),
                       .persistent = !transient_uuids.contains(uuid)});
  }
  return domains;
}

absl::StatusOr<SecretBytes> ReadDefinition(virConnectPtr connection, const Uuid& uuid) {
  ASSIGN_OR_RETURN(const VirDomain domain,
                   FindDomain(connection, uuid, "cannot get the definition of domain"));
  const std::string name = virDomainGetName(domain.get());
  const int persistent = virDomainIsPersistent(domain.get());
  if (persistent < 0) return LibvirtError(absl::StrCat("cannot look at domain ", name));
  if (persistent == 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_TRANSIENT",
                 absl::StrCat("domain ", name, " runs and has no definition"));
  }
  const VirString xml(
      virDomainGetXMLDesc(domain.get(), VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE));
  if (xml == nullptr) return LibvirtError(absl::StrCat("cannot get the definition of ", name));
  SecretBytes definition(xml.get());
  explicit_bzero(xml.get(), definition.size());
  return definition;
}

void WipeAndDelete(std::string* text) {
  secrets::WipeString(*text);
  delete text;
}

// Whether the name or the UUID in `xml` belongs to a domain that has not both.
absl::Status CheckNameFree(virConnectPtr connection, const std::string& xml) {
  pugi::xml_document document;
  if (!document.load_string(xml.c_str())) return absl::OkStatus();
  const pugi::xml_node root = document.child("domain");
  const std::string name = root.child_value("name");
  const auto uuid = Uuid::Parse(root.child_value("uuid"));

  const auto taken = [](const VirDomain& owner) {
    return Error(absl::StatusCode::kAlreadyExists, "DOMAIN_NAME_TAKEN",
                 absl::StrCat("domain ", virDomainGetName(owner.get()), " has UUID ",
                              UuidOf(owner.get()).ToString(),
                              ": a name and a UUID belong together for as long as the domain is "
                              "defined; choose others, or remove that domain"));
  };
  const VirDomain by_name(virDomainLookupByName(connection, name.c_str()));
  if (by_name != nullptr && (!uuid.ok() || UuidOf(by_name.get()) != *uuid)) return taken(by_name);
  if (!uuid.ok()) return absl::OkStatus();
  const VirDomain by_uuid(virDomainLookupByUUID(connection, uuid->bytes().data()));
  if (by_uuid != nullptr && name != virDomainGetName(by_uuid.get())) return taken(by_uuid);
  return absl::OkStatus();
}

// libvirt's schema has no '.' in the user of a disk ([a-zA-Z0-9_+-]+); cephx has, and so have
// libvirt's parser and QEMU: with 9.0.0 a guest of client.vm.g1 is refused by the schema alone, and
// runs. So the domain of such a user is defined without it.
bool FitsSchema(const std::string& xml) {
  pugi::xml_document document;
  document.load_string(xml.c_str());
  const auto disks = document.child("domain").child("devices").children("disk");
  return std::none_of(disks.begin(), disks.end(), [](const pugi::xml_node& disk) {
    return absl::StrContains(disk.child("auth").attribute("username").value(), '.');
  });
}

absl::Status Define(virConnectPtr connection, const std::string& xml) {
  const VirDomain domain(virDomainDefineXMLFlags(connection, xml.c_str(),
                                                 FitsSchema(xml) ? VIR_DOMAIN_DEFINE_VALIDATE : 0));
  if (domain != nullptr) return absl::OkStatus();
  absl::Status refused = LibvirtError("cannot define the domain");
  RETURN_IF_ERROR(CheckNameFree(connection, xml));
  return refused;
}

// What a start that failed is to the caller: that the domain cannot run as it is, unless the
// same call may do better later.
absl::Status StartFailed(const absl::Status& error) {
  if (IsRetryable(error) || ErrorReason(error) == "DOMAIN_NOT_FOUND") return error;
  absl::Status status =
      Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_START_FAILED", error.message());
  if (const auto code = RawCode(error, "libvirt")) SetRawCode(status, "libvirt", *code);
  return status;
}

absl::Status Start(virConnectPtr connection, const Uuid& uuid, unsigned int flags) {
  ASSIGN_OR_RETURN(const VirDomain domain, FindDomain(connection, uuid, "cannot start domain"));
  const std::string what = absl::StrCat("cannot start domain ", virDomainGetName(domain.get()));
  if (virDomainCreateWithFlags(domain.get(), flags) == 0) return absl::OkStatus();
  const absl::Status error = LibvirtError(what);
  // No look before the attempt: libvirt changes nothing of a domain that runs.
  if (virDomainIsActive(domain.get()) == 1) return absl::OkStatus();
  return StartFailed(error);
}

absl::Status NotRunning(absl::string_view what) {
  return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING",
               absl::StrCat(what, ": it does not run"));
}

absl::Status Resume(virConnectPtr connection, const Uuid& uuid) {
  ASSIGN_OR_RETURN(const VirDomain domain, FindDomain(connection, uuid, "cannot resume domain"));
  const std::string what = absl::StrCat("cannot resume domain ", virDomainGetName(domain.get()));
  if (virDomainResume(domain.get()) == 0) return absl::OkStatus();
  const absl::Status error = LibvirtError(what);
  // libvirt refuses where there is nothing to resume.
  int state = VIR_DOMAIN_NOSTATE;
  if (virDomainGetState(domain.get(), &state, nullptr, 0) != 0) return error;
  switch (ToState(state, 0)) {
    case DomainState::kRunning:
      return absl::OkStatus();
    case DomainState::kPaused:
      return error;
    case DomainState::kShutOff:
    case DomainState::kCrashed:
      return NotRunning(what);
  }
  return error;
}

absl::Status Shutdown(virConnectPtr connection, const Uuid& uuid) {
  ASSIGN_OR_RETURN(const VirDomain domain, FindDomain(connection, uuid, "cannot shut down domain"));
  ASSIGN_OR_RETURN(const bool active, IsActive(domain.get(), "cannot shut the domain down"));
  const std::string what = absl::StrCat("cannot shut down domain ", virDomainGetName(domain.get()));
  if (!active || virDomainShutdown(domain.get()) == 0) return absl::OkStatus();
  const absl::Status error = LibvirtError(what);
  // The guest may have gone meanwhile, or be on its way, and cannot be asked then.
  int state = VIR_DOMAIN_NOSTATE;
  if (virDomainGetState(domain.get(), &state, nullptr, 0) != 0) return error;
  return state == VIR_DOMAIN_SHUTOFF || state == VIR_DOMAIN_SHUTDOWN ? absl::OkStatus() : error;
}

absl::Status Reboot(virConnectPtr connection, const Uuid& uuid, bool force) {
  ASSIGN_OR_RETURN(const VirDomain domain, FindDomain(connection, uuid, "cannot reboot domain"));
  ASSIGN_OR_RETURN(const bool active, IsActive(domain.get(), "cannot reboot the domain"));
  if (!active) {
    return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING",
                 absl::StrCat("cannot reboot domain ", virDomainGetName(domain.get()),
                              ": it does not run; start it"));
  }
  const std::string what = absl::StrCat("cannot reboot domain ", virDomainGetName(domain.get()));
  const int result = force ? virDomainReset(domain.get(), 0) : virDomainReboot(domain.get(), 0);
  return result == 0 ? absl::OkStatus() : LibvirtError(what);
}

// libvirt waits for an agent that hangs for ever unless told otherwise.
constexpr int kAgentTimeoutSeconds = 5;

// There is no agent, or none that answers, or one that could not do it.
bool IsAboutTheAgent(int code) {
  return code == VIR_ERR_AGENT_UNRESPONSIVE || code == VIR_ERR_AGENT_UNSYNCED ||
         code == VIR_ERR_ARGUMENT_UNSUPPORTED;
}

// virDomainFSFreeze or virDomainFSThaw, of all the guest's file systems.
absl::Status AskAgent(virConnectPtr connection, const Uuid& uuid, absl::string_view verb,
                      int (*ask)(virDomainPtr, const char**, unsigned int, unsigned int)) {
  const std::string cannot = absl::StrCat("cannot ", verb, " the file systems of domain");
  ASSIGN_OR_RETURN(const VirDomain domain, FindDomain(connection, uuid, cannot));
  const std::string what = absl::StrCat(cannot, " ", virDomainGetName(domain.get()));
  ASSIGN_OR_RETURN(const bool active, IsActive(domain.get(), what));
  if (!active) return NotRunning(what);
  // A driver that knows no such time has none to wait.
  (void)virDomainAgentSetResponseTimeout(domain.get(), kAgentTimeoutSeconds, 0);
  if (ask(domain.get(), nullptr, 0, 0) >= 0) return absl::OkStatus();
  const absl::Status error = LibvirtError(what);
  const auto code = RawCode(error, "libvirt");
  if (!code.has_value() || !IsAboutTheAgent(*code)) return error;
  return Error(absl::StatusCode::kFailedPrecondition, "GUEST_AGENT_UNRESPONSIVE", error.message());
}

absl::Status Destroy(virConnectPtr connection, const Uuid& uuid) {
  ASSIGN_OR_RETURN(const VirDomain domain, FindDomain(connection, uuid, "cannot stop domain"));
  ASSIGN_OR_RETURN(const bool active, IsActive(domain.get(), "cannot stop the domain"));
  const std::string what = absl::StrCat("cannot stop domain ", virDomainGetName(domain.get()));
  if (!active || virDomainDestroy(domain.get()) == 0) return absl::OkStatus();
  const absl::Status error = LibvirtError(what);
  return virDomainIsActive(domain.get()) == 0 ? absl::OkStatus() : error;
}

// What goes with a definition: libvirt refuses to undefine a domain that has any of these.
unsigned int UndefineFlags(virConnectPtr connection) {
  constexpr unsigned int kAllDrivers =
      VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
  constexpr unsigned int kQemu = VIR_DOMAIN_UNDEFINE_NVRAM |
                                 VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_TPM;
  const char* driver = virConnectGetType(connection);
  const bool is_qemu = driver != nullptr && absl::string_view(driver) == "QEMU";
  return is_qemu ? kAllDrivers | kQemu : kAllDrivers;
}

absl::Status Undefine(virConnectPtr connection, const Uuid& uuid) {
  ASSIGN_OR_RETURN(const VirDomain domain, FindDomain(connection, uuid, "cannot undefine domain"));
  ASSIGN_OR_RETURN(const bool active, IsActive(domain.get(), "cannot undefine the domain"));
  if (active) {
    return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_RUNNING",
                 absl::StrCat("cannot undefine domain ", virDomainGetName(domain.get()),
                              ": it runs, and would go on undefined; stop it first"));
  }
  const std::string what = absl::StrCat("cannot undefine domain ", virDomainGetName(domain.get()));
  const unsigned int flags = UndefineFlags(connection);
  const int result = virDomainUndefineFlags(domain.get(), flags);
  return result == 0 ? absl::OkStatus() : LibvirtError(what);
}

}  // namespace

absl::Status LibvirtHypervisor::Health() const { return connection_->Health(); }

absl::StatusOr<HostInfo> LibvirtHypervisor::GetHost() { return connection_->Host(); }

absl::StatusOr<std::vector<DomainInfo>> LibvirtHypervisor::ListDomains() {
  return connection_->Call("cannot list domains", List);
}

absl::StatusOr<DomainInfo> LibvirtHypervisor::GetDomain(const Uuid& uuid) {
  return connection_->Call(absl::StrCat("cannot look at domain ", uuid.ToString()),
                           [uuid](virConnectPtr connection) -> absl::StatusOr<DomainInfo> {
                             ASSIGN_OR_RETURN(
                                 const VirDomain domain,
                                 FindDomain(connection, uuid, "cannot look at domain"));
                             return Describe(domain.get());
                           });
}

absl::StatusOr<DomainInfo> LibvirtHypervisor::GetDomainByName(absl::string_view name) {
  const std::string what = absl::StrCat("cannot look at domain ", name);
  return connection_->Call(
      what,
      [what, name = std::string(name)](virConnectPtr connection) -> absl::StatusOr<DomainInfo> {
        const VirDomain domain(virDomainLookupByName(connection, name.c_str()));
        if (domain == nullptr) return LibvirtError(what);
        return Describe(domain.get());
      });
}

absl::StatusOr<std::string> LibvirtHypervisor::GetDomainXml(const Uuid& uuid) {
  const std::string what = absl::StrCat("cannot get the XML of domain ", uuid.ToString());
  return connection_->Call(
      what, [uuid, what](virConnectPtr connection) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(const VirDomain domain,
                         FindDomain(connection, uuid, "cannot get the XML of domain"));
        const VirString xml(virDomainGetXMLDesc(domain.get(), 0));
        if (xml == nullptr) return LibvirtError(what);
        return std::string(xml.get());
      });
}

absl::StatusOr<SecretBytes> LibvirtHypervisor::GetDefinition(const Uuid& uuid) {
  return connection_->Call(
      absl::StrCat("cannot get the definition of domain ", uuid.ToString()),
      [uuid](virConnectPtr connection) { return ReadDefinition(connection, uuid); });
}

absl::Status LibvirtHypervisor::DefineDomain(absl::string_view xml) {
  std::shared_ptr<const std::string> copy(new std::string(xml), WipeAndDelete);
  return connection_->Call(
      "cannot define the domain",
      [copy = std::move(copy)](virConnectPtr connection) { return Define(connection, *copy); });
}

absl::Status LibvirtHypervisor::StartDomain(const Uuid& uuid) { return StartWith(uuid, 0); }

absl::Status LibvirtHypervisor::StartDomainPaused(const Uuid& uuid) {
  return StartWith(uuid, VIR_DOMAIN_START_PAUSED);
}

absl::Status LibvirtHypervisor::StartWith(const Uuid& uuid, unsigned int flags) {
  return connection_->Call(
      absl::StrCat("cannot start domain ", uuid.ToString()),
      // The order stands as long as the call, which may go on when nobody waits for it any more.
      [uuid, flags, dir = start_orders_dir_](virConnectPtr connection) -> absl::Status {
        ASSIGN_OR_RETURN(const StartOrder order, StartOrder::Give(dir, uuid));
        return Start(connection, uuid, flags);
      });
}

absl::Status LibvirtHypervisor::ResumeDomain(const Uuid& uuid) {
  return connection_->Call(absl::StrCat("cannot resume domain ", uuid.ToString()),
                           [uuid](virConnectPtr connection) { return Resume(connection, uuid); });
}

absl::Status LibvirtHypervisor::ShutdownDomain(const Uuid& uuid) {
  return connection_->Call(absl::StrCat("cannot shut down domain ", uuid.ToString()),
                           [uuid](virConnectPtr connection) { return Shutdown(connection, uuid); });
}

absl::Status LibvirtHypervisor::RebootDomain(const Uuid& uuid, bool force) {
  return connection_->Call(
      absl::StrCat("cannot reboot domain ", uuid.ToString()),
      [uuid, force](virConnectPtr connection) { return Reboot(connection, uuid, force); });
}

absl::Status LibvirtHypervisor::ResizeDisk(const Uuid& uuid, const std::string& pool,
                                           const std::string& image, uint64_t size_bytes) {
  return connection_->Call(
      absl::StrCat("cannot resize a disk of domain ", uuid.ToString()),
      [uuid, source = absl::StrCat(pool, "/", image), size_bytes](virConnectPtr connection) {
        return ResizeLiveDisk(connection, uuid, source, size_bytes);
      });
}

absl::Status LibvirtHypervisor::AttachDisk(const Uuid& uuid, absl::string_view disk_xml) {
  return connection_->Call(absl::StrCat("cannot attach a disk to domain ", uuid.ToString()),
                           [uuid, xml = std::string(disk_xml)](virConnectPtr connection) {
                             return AttachLiveDisk(connection, uuid, xml);
                           });
}

absl::Status LibvirtHypervisor::DetachDisk(const Uuid& uuid, const std::string& pool,
                                           const std::string& image) {
  return connection_->Call(
      absl::StrCat("cannot detach a disk from domain ", uuid.ToString()),
      [uuid, source = absl::StrCat(pool, "/", image)](virConnectPtr connection) {
        return DetachLiveDisk(connection, uuid, source);
      });
}

absl::Status LibvirtHypervisor::FreezeFilesystems(const Uuid& uuid) {
  return connection_->Call(absl::StrCat("cannot freeze the file systems of ", uuid.ToString()),
                           [uuid](virConnectPtr connection) {
                             return AskAgent(connection, uuid, "freeze", virDomainFSFreeze);
                           });
}

absl::Status LibvirtHypervisor::ThawFilesystems(const Uuid& uuid) {
  return connection_->Call(absl::StrCat("cannot thaw the file systems of ", uuid.ToString()),
                           [uuid](virConnectPtr connection) {
                             return AskAgent(connection, uuid, "thaw", virDomainFSThaw);
                           });
}

absl::Status LibvirtHypervisor::DestroyDomain(const Uuid& uuid) {
  return connection_->Call(absl::StrCat("cannot stop domain ", uuid.ToString()),
                           [uuid](virConnectPtr connection) { return Destroy(connection, uuid); });
}

absl::StatusOr<std::unique_ptr<Console>> LibvirtHypervisor::OpenConsole(const Uuid& uuid,
                                                                        bool take_over) {
  return OpenLibvirtConsole(*connection_, uuid, take_over);
}

absl::Status LibvirtHypervisor::UndefineDomain(const Uuid& uuid) {
  return connection_->Call(absl::StrCat("cannot undefine domain ", uuid.ToString()),
                           [uuid](virConnectPtr connection) { return Undefine(connection, uuid); });
}

void LibvirtHypervisor::SetListener(DomainListener listener) {
  connection_->SetDomainListener(std::move(listener));
}

}  // namespace hvagent::hypervisor
