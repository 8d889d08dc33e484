// MemoryHypervisor: what happens to a node and its guests by itself.
#include <utility>

#include "agent/hypervisor/memory_hypervisor.h"

namespace hvagent::hypervisor {

uint64_t MemoryHypervisor::ToldDiskSize(const Uuid& uuid, const std::string& image) {
  MutexLock lock(mutex_);
  const auto domain = domains_.find(uuid);
  return domain == domains_.end() ? 0 : domain->second.told_sizes[image];
}

void MemoryHypervisor::SetHealth(absl::Status health) {
  const bool well = health.ok();
  faults_->SetHealth(std::move(health));
  if (well) events_.Post(std::nullopt);
}

void MemoryHypervisor::AddForeignDomain(DomainInfo info, const std::string& xml) {
  const Uuid uuid = info.uuid;
  MutexLock lock(mutex_);
  if (const auto former = domains_.find(uuid); former != domains_.end()) Forget(former);
  uuids_[info.name] = uuid;
  domains_[uuid] = {.info = std::move(info), .xml = xml, .live_xml = xml};
  events_.Post(uuid);
}

void MemoryHypervisor::SetIgnoresPowerButton(const Uuid& uuid, bool ignores) {
  MutexLock lock(mutex_);
  if (const auto domain = domains_.find(uuid); domain != domains_.end()) {
    domain->second.ignores_power_button = ignores;
  }
}

void MemoryHypervisor::SetKeepsDisks(const Uuid& uuid, bool keeps) {
  MutexLock lock(mutex_);
  if (auto it = domains_.find(uuid); it != domains_.end()) it->second.keeps_disks = keeps;
}

void MemoryHypervisor::SetHasAgent(const Uuid& uuid, bool has_agent) {
  MutexLock lock(mutex_);
  if (auto it = domains_.find(uuid); it != domains_.end()) it->second.has_agent = has_agent;
}

bool MemoryHypervisor::IsFrozen(const Uuid& uuid) {
  MutexLock lock(mutex_);
  const auto it = domains_.find(uuid);
  return it != domains_.end() && it->second.frozen;
}

void MemoryHypervisor::PauseDomain(const Uuid& uuid) {
  MutexLock lock(mutex_);
  const auto it = domains_.find(uuid);
  if (it != domains_.end() && it->second.IsActive()) Pause(it, StateReason::kPausedByUser);
}

void MemoryHypervisor::FailDisk(const Uuid& uuid) {
  MutexLock lock(mutex_);
  const auto it = domains_.find(uuid);
  if (it != domains_.end() && it->second.IsActive()) Pause(it, StateReason::kIoError);
}

int MemoryHypervisor::Starts(const Uuid& uuid) {
  MutexLock lock(mutex_);
  const auto it = domains_.find(uuid);
  return it == domains_.end() ? 0 : it->second.starts;
}

void MemoryHypervisor::CrashDomain(const Uuid& uuid) {
  MutexLock lock(mutex_);
  const auto domain = domains_.find(uuid);
  if (domain != domains_.end() && domain->second.IsActive()) {
    Stop(domain, DomainState::kCrashed, StateReason::kCrashed);
  }
}

void MemoryHypervisor::ShutDownGuest(const Uuid& uuid) {
  MutexLock lock(mutex_);
  const auto domain = domains_.find(uuid);
  if (domain != domains_.end() && domain->second.IsActive()) {
    Stop(domain, DomainState::kShutOff, StateReason::kGuestShutDown);
  }
}

}  // namespace hvagent::hypervisor
