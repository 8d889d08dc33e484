#include "agent/hypervisor/memory_faults.h"

#include <utility>

namespace hvagent::hypervisor {

void MemoryFaults::SetHealth(absl::Status health) {
  MutexLock lock(mutex_);
  health_ = std::move(health);
}

absl::Status MemoryFaults::Health() const {
  MutexLock lock(mutex_);
  return health_;
}

void MemoryFaults::FailCall(uint64_t nth, absl::Status error, Effect effect) {
  MutexLock lock(mutex_);
  planned_[calls_ + nth] = {.error = std::move(error), .effect = effect};
}

bool MemoryFaults::FailurePending() const {
  MutexLock lock(mutex_);
  return !planned_.empty();
}

uint64_t MemoryFaults::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

MemoryFaults::Fault MemoryFaults::CountCall() {
  MutexLock lock(mutex_);
  ++calls_;
  if (!health_.ok()) return {.error = health_};
  if (auto fault = planned_.extract(calls_)) return std::move(fault.mapped());
  return {};
}

}  // namespace hvagent::hypervisor
