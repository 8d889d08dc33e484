// What goes wrong, and when, in the memory backends: one of these stands for the connection that
// MemoryHypervisor and MemorySecretStore share.
//
// Thread-safe.
#ifndef HVAGENT_AGENT_HYPERVISOR_MEMORY_FAULTS_H_
#define HVAGENT_AGENT_HYPERVISOR_MEMORY_FAULTS_H_

#include <cstdint>
#include <map>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "base/mutex.h"

namespace hvagent::hypervisor {

class MemoryFaults {
 public:
  // Whether a call that fails has done its work all the same, as after a timeout.
  enum class Effect { kNone, kDone };

  // While it is not OK, every call fails with it and does nothing.
  void SetHealth(absl::Status health);
  absl::Status Health() const;

  // The `nth` call from now on (1 is the next) fails with `error`. Several may be planned.
  void FailCall(uint64_t nth, absl::Status error, Effect effect = Effect::kNone);

  // Whether a planned failure still waits: the end of a loop that fails call 1, 2, 3, ...
  bool FailurePending() const;

  // The calls made so far.
  uint64_t calls() const;

  // Counts a call, and runs `operation`, which returns absl::Status or absl::StatusOr<T>, unless
  // the call is to fail.
  template <typename Operation>
  auto Run(Operation operation) -> std::invoke_result_t<Operation> {
    const Fault fault = CountCall();
    if (fault.error.ok()) return operation();
    if (fault.effect == Effect::kDone) static_cast<void>(operation());
    return fault.error;
  }

 private:
  struct Fault {
    absl::Status error;
    Effect effect = Effect::kNone;
  };
  Fault CountCall();

  mutable Mutex mutex_;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  uint64_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, Fault> planned_ ABSL_GUARDED_BY(mutex_);  // by the number of the call
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_MEMORY_FAULTS_H_
