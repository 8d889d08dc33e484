#include "agent/hypervisor/memory_hypervisor.h"

#include <cstring>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/domain_xml.h"
#include "pugixml.hpp"

namespace hvagent::hypervisor {
namespace {

absl::Status NotFound(absl::string_view what) {
  return Error(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND",
               absl::StrCat("there is no domain ", what));
}

absl::Status NameTaken(const DomainInfo& owner) {
  return Error(absl::StatusCode::kAlreadyExists, "DOMAIN_NAME_TAKEN",
               absl::StrCat("domain ", owner.name, " has UUID ", owner.uuid.ToString(),
                            "; choose another name and UUID, or remove that domain"));
}

struct Identity {
  Uuid uuid;
  std::string name;
};

absl::StatusOr<Identity> ReadIdentity(absl::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) {
    return absl::InvalidArgumentError("the domain is not XML");
  }
  const pugi::xml_node domain = document.child("domain");
  Identity identity{.name = domain.child_value("name")};
  if (identity.name.empty()) return absl::InvalidArgumentError("the domain has no name");
  ASSIGN_OR_RETURN(identity.uuid, Uuid::Parse(domain.child_value("uuid")));
  return identity;
}

std::string TextOf(const pugi::xml_document& document) {
  std::ostringstream text;
  document.save(text);
  return text.str();
}

// Like libvirt, which gives the passwords of displays only to whom asks for them.
std::string WithoutPasswords(const std::string& xml) {
  pugi::xml_document document;
  if (!absl::StrContains(xml, "passwd") || !document.load_string(xml.c_str())) return xml;
  for (pugi::xml_node display : document.child("domain").child("devices").children("graphics")) {
    display.remove_attribute("passwd");
  }
  return TextOf(document);
}

// No two QEMUs are the same client, on whatever node they run.
std::string NewAddress() {
  uint32_t nonce = 0;
  const Uuid random = Uuid::Random();
  std::memcpy(&nonce, random.bytes().data(), sizeof(nonce));
  return absl::StrCat("192.0.2.1:0/", nonce);
}

// The <disk> of a domain whose rbd source is `name`, "pool/image"; a null node when there is none.
pugi::xml_node FindDisk(const pugi::xml_document& domain, const std::string& name) {
  for (pugi::xml_node disk : domain.child("domain").child("devices").children("disk")) {
    if (disk.child("source").attribute("name").value() == name) return disk;
  }
  return {};
}

absl::Status NotRunning(const DomainInfo& domain) {
  return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING",
               absl::StrCat("domain ", domain.name, " does not run"));
}

absl::Status Transient(const DomainInfo& domain) {
  return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_TRANSIENT",
               absl::StrCat("domain ", domain.name, " runs and has no definition"));
}

}  // namespace

MemoryHypervisor::MemoryHypervisor(HostInfo host, MemoryFaults* faults,
                                   const MemorySecretStore* secrets)
    : host_(std::move(host)), faults_(faults), secrets_(secrets) {}

void MemoryHypervisor::SetStorage(Storage storage) {
  MutexLock lock(mutex_);
  storage_ = std::move(storage);
}

absl::Status MemoryHypervisor::Health() const { return faults_->Health(); }

absl::StatusOr<HostInfo> MemoryHypervisor::GetHost() {
  return faults_->Run([this]() -> absl::StatusOr<HostInfo> { return host_; });
}

absl::StatusOr<std::vector<DomainInfo>> MemoryHypervisor::ListDomains() {
  return faults_->Run([this]() -> absl::StatusOr<std::vector<DomainInfo>> {
    MutexLock lock(mutex_);
    std::vector<DomainInfo> infos;
    for (const auto& [uuid, domain] : domains_) infos.push_back(domain.info);
    return infos;
  });
}

absl::StatusOr<DomainInfo> MemoryHypervisor::GetDomain(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::StatusOr<DomainInfo> {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto domain, Find(uuid));
    return domain->second.info;
  });
}

absl::StatusOr<DomainInfo> MemoryHypervisor::GetDomainByName(absl::string_view name) {
  return faults_->Run([&]() -> absl::StatusOr<DomainInfo> {
    MutexLock lock(mutex_);
    const auto named = uuids_.find(name);
    if (named == uuids_.end()) return NotFound(name);
    return domains_.at(named->second).info;
  });
}

absl::StatusOr<std::string> MemoryHypervisor::GetDomainXml(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::StatusOr<std::string> {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto domain, Find(uuid));
    const Domain& found = domain->second;
    return WithoutPasswords(found.IsActive() ? found.live_xml : found.xml);
  });
}

absl::StatusOr<secrets::SecretBytes> MemoryHypervisor::GetDefinition(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::StatusOr<secrets::SecretBytes> {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto domain, Find(uuid));
    if (!domain->second.info.persistent) return Transient(domain->second.info);
    return secrets::SecretBytes(domain->second.xml);
  });
}

absl::Status MemoryHypervisor::DefineDomain(absl::string_view xml) {
  return faults_->Run([&] { return Define(xml); });
}

absl::Status MemoryHypervisor::Define(absl::string_view xml) {
  ASSIGN_OR_RETURN(const Identity identity, ReadIdentity(xml));
  MutexLock lock(mutex_);
  const auto named = uuids_.find(identity.name);
  if (named != uuids_.end() && named->second != identity.uuid) {
    return NameTaken(domains_.at(named->second).info);
  }
  const auto found = domains_.find(identity.uuid);
  if (found != domains_.end() && named == uuids_.end()) return NameTaken(found->second.info);
  uuids_[identity.name] = identity.uuid;
  Domain& domain = domains_[identity.uuid];
  domain.info.uuid = identity.uuid;
  domain.info.name = identity.name;
  domain.info.persistent = true;
  domain.xml = std::string(xml);
  events_.Post(identity.uuid);
  return absl::OkStatus();
}

absl::Status MemoryHypervisor::StartDomain(const Uuid& uuid) {
  return faults_->Run([&] { return Start(uuid, DomainState::kRunning); });
}

absl::Status MemoryHypervisor::StartDomainPaused(const Uuid& uuid) {
  return faults_->Run([&] { return Start(uuid, DomainState::kPaused); });
}

absl::Status MemoryHypervisor::Start(const Uuid& uuid, DomainState state) {
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(const auto found, Find(uuid));
  Domain& domain = found->second;
  if (domain.IsActive()) return absl::OkStatus();
  domain.address = NewAddress();
  if (absl::Status status = OpenDisks(domain); !status.ok()) {
    if (storage_.close) storage_.close(domain.address);
    return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_START_FAILED",
                 absl::StrCat("cannot start domain ", domain.info.name, ": ", status.message()));
  }
  ++domain.starts;
  domain.live_xml = domain.xml;
  domain.info.state = state;
  domain.info.reason =
      state == DomainState::kPaused ? StateReason::kPausedByUser : StateReason::kOther;
  events_.Post(uuid);
  return absl::OkStatus();
}

absl::Status MemoryHypervisor::SuspendDomain(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto found, Find(uuid));
    if (!found->second.IsActive()) return NotRunning(found->second.info);
    Pause(found, StateReason::kPausedByUser);
    return absl::OkStatus();
  });
}

void MemoryHypervisor::Pause(Domains::iterator domain, StateReason reason) {
  DomainInfo& info = domain->second.info;
  if (info.state == DomainState::kPaused) return;
  info.state = DomainState::kPaused;
  info.reason = reason;
  events_.Post(info.uuid);
}

absl::Status MemoryHypervisor::ResumeDomain(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto found, Find(uuid));
    DomainInfo& info = found->second.info;
    if (!found->second.IsActive()) {
      return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING",
                   absl::StrCat("cannot resume domain ", info.name, ": it does not run"));
    }
    if (info.state == DomainState::kPaused) events_.Post(uuid);
    info.state = DomainState::kRunning;
    info.reason = StateReason::kOther;
    return absl::OkStatus();
  });
}

absl::Status MemoryHypervisor::Open(const std::string& address, const std::string& source) const {
  if (!storage_.open) return absl::OkStatus();
  const size_t slash = source.rfind('/');
  if (slash == std::string::npos) return absl::InvalidArgumentError("it is over no rbd image");
  return storage_.open(address,
                       {.pool = source.substr(0, slash), .image = source.substr(slash + 1)});
}

// What libvirt and QEMU do with each disk before the guest runs.
absl::Status MemoryHypervisor::OpenDisks(const Domain& domain) const {
  const auto spec = domain_xml::Parse(domain.xml);
  if (!spec.ok()) return absl::OkStatus();  // a foreign domain: its disks are not ours to judge
  for (const domain_xml::RbdDisk& disk : spec->disks) {
    if (disk.auth.has_value()) RETURN_IF_ERROR(secrets_->CheckUsable(disk.auth->secret_uuid));
    if (storage_.open) RETURN_IF_ERROR(storage_.open(domain.address, disk));
  }
  return absl::OkStatus();
}

absl::Status MemoryHypervisor::ShutdownDomain(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto domain, Find(uuid));
    if (domain->second.IsActive() && !domain->second.ignores_power_button) {
      Stop(domain, DomainState::kShutOff, StateReason::kGuestShutDown);
    }
    return absl::OkStatus();
  });
}

absl::Status MemoryHypervisor::RebootDomain(const Uuid& uuid, bool /*force*/) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto domain, Find(uuid));
    if (!domain->second.IsActive()) {
      return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING",
                   absl::StrCat("cannot reboot domain ", domain->second.info.name,
                                ": it does not run; start it"));
    }
    events_.Post(uuid);
    return absl::OkStatus();
  });
}

absl::Status MemoryHypervisor::ResizeDisk(const Uuid& uuid, const std::string& pool,
                                          const std::string& image, uint64_t size_bytes) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto domain, Find(uuid));
    const auto spec = domain_xml::Parse(domain->second.live_xml);
    if (!domain->second.IsActive() || !spec.ok()) return absl::OkStatus();
    for (const domain_xml::RbdDisk& disk : spec->disks) {
      if (disk.pool != pool || disk.image != image) continue;
      domain->second.told_sizes[image] = size_bytes;
    }
    return absl::OkStatus();
  });
}

absl::Status MemoryHypervisor::AttachDisk(const Uuid& uuid, absl::string_view disk_xml) {
  return faults_->Run([&]() -> absl::Status {
    pugi::xml_document disk;
    if (!disk.load_buffer(disk_xml.data(), disk_xml.size()) || !disk.child("disk")) {
      return absl::InvalidArgumentError("the device is not a <disk>");
    }
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto found, Find(uuid));
    Domain& domain = found->second;
    if (!domain.IsActive()) return NotRunning(domain.info);
    pugi::xml_document live;
    live.load_string(domain.live_xml.c_str());
    const std::string source = disk.child("disk").child("source").attribute("name").value();
    if (FindDisk(live, source)) return absl::OkStatus();
    const std::string address = NewAddress();
    if (const absl::Status opened = Open(address, source); !opened.ok()) {
      return Error(absl::StatusCode::kFailedPrecondition, "ATTACH_FAILED",
                   absl::StrCat("cannot attach disk ", source, " to domain ", domain.info.name,
                                ": ", opened.message()));
    }
    domain.attached[source] = address;
    live.child("domain").child("devices").append_copy(disk.child("disk"));
    domain.live_xml = TextOf(live);
    events_.Post(uuid);
    return absl::OkStatus();
  });
}

absl::Status MemoryHypervisor::DetachDisk(const Uuid& uuid, const std::string& pool,
                                          const std::string& image) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto found, Find(uuid));
    Domain& domain = found->second;
    if (!domain.IsActive() || domain.keeps_disks) return absl::OkStatus();
    pugi::xml_document live;
    live.load_string(domain.live_xml.c_str());
    const std::string source = absl::StrCat(pool, "/", image);
    const pugi::xml_node disk = FindDisk(live, source);
    if (!disk) return absl::OkStatus();
    disk.parent().remove_child(disk);
    if (const auto client = domain.attached.extract(source); !client.empty() && storage_.close) {
      storage_.close(client.mapped());
    }
    domain.live_xml = TextOf(live);
    events_.Post(uuid);
    return absl::OkStatus();
  });
}

absl::Status MemoryHypervisor::FreezeFilesystems(const Uuid& uuid) { return SetFrozen(uuid, true); }
absl::Status MemoryHypervisor::ThawFilesystems(const Uuid& uuid) { return SetFrozen(uuid, false); }

absl::Status MemoryHypervisor::SetFrozen(const Uuid& uuid, bool frozen) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto found, Find(uuid));
    Domain& domain = found->second;
    const std::string what = absl::StrCat("cannot ", frozen ? "freeze" : "thaw",
                                          " the file systems of domain ", domain.info.name);
    if (!domain.IsActive()) {
      return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING",
                   absl::StrCat(what, ": it does not run"));
    }
    if (!domain.has_agent) {
      return Error(absl::StatusCode::kFailedPrecondition, "GUEST_AGENT_UNRESPONSIVE",
                   absl::StrCat(what, ": its agent does not answer"));
    }
    domain.frozen = frozen;
    return absl::OkStatus();
  });
}

absl::Status MemoryHypervisor::DestroyDomain(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto domain, Find(uuid));
    if (domain->second.IsActive()) {
      Stop(domain, DomainState::kShutOff, StateReason::kDestroyed);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::unique_ptr<Console>> MemoryHypervisor::OpenConsole(const Uuid& uuid,
                                                                       bool take_over) {
  std::unique_ptr<Console> opened;
  RETURN_IF_ERROR(faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto found, Find(uuid));
    Domain& domain = found->second;
    if (!domain.IsActive()) return NotRunning(domain.info);
    if (domain.console != nullptr && !domain.console->ended()) {
      if (!take_over) {
        return Error(absl::StatusCode::kFailedPrecondition, "CONSOLE_IN_USE",
                     absl::StrCat("the console of domain ", domain.info.name,
                                  " is in use by somebody else; it can be taken over (--force)"));
      }
      domain.console->End(Error(absl::StatusCode::kUnavailable, "CONSOLE_LOST",
                                "the console was lost: somebody took it over"));
    }
    domain.console = std::make_shared<MemorySerialPort>();
    opened = std::make_unique<MemoryConsole>(domain.console);
    return absl::OkStatus();
  }));
  return opened;
}

absl::Status MemoryHypervisor::UndefineDomain(const Uuid& uuid) {
  return faults_->Run([&]() -> absl::Status {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(const auto domain, Find(uuid));
    if (domain->second.IsActive()) {
      return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_RUNNING",
                   absl::StrCat("cannot undefine domain ", domain->second.info.name,
                                ": it runs; stop it first"));
    }
    Forget(domain);
    events_.Post(uuid);
    return absl::OkStatus();
  });
}

void MemoryHypervisor::SetListener(DomainListener listener) {
  events_.SetListener(std::move(listener));
}

absl::StatusOr<MemoryHypervisor::Domains::iterator> MemoryHypervisor::Find(const Uuid& uuid) {
  const auto domain = domains_.find(uuid);
  if (domain == domains_.end()) return NotFound(uuid.ToString());
  return domain;
}

void MemoryHypervisor::Stop(Domains::iterator domain, DomainState state, StateReason reason) {
  events_.Post(domain->first);
  if (storage_.close) {
    storage_.close(domain->second.address);
    for (const auto& [source, address] : domain->second.attached) storage_.close(address);
  }
  domain->second.attached.clear();
  if (domain->second.console != nullptr) domain->second.console->End(absl::OkStatus());
  domain->second.info.state = state;
  domain->second.info.reason = reason;
  domain->second.live_xml.clear();
  domain->second.told_sizes.clear();
  if (!domain->second.info.persistent) Forget(domain);
}

void MemoryHypervisor::Forget(Domains::iterator domain) {
  uuids_.erase(domain->second.info.name);
  domains_.erase(domain);
}

}  // namespace hvagent::hypervisor
