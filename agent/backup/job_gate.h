// What a copying job passes before each of its reads: it ends there when it shall not go on, and
// waits there so that it keeps to its rate.
#ifndef HVAGENT_AGENT_BACKUP_JOB_GATE_H_
#define HVAGENT_AGENT_BACKUP_JOB_GATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/operations/running_operation.h"
#include "base/clock.h"

namespace hvagent::backup {

// Bytes over time, with no more than a quarter of a second's saved up. Not thread-safe.
class RateLimit {
 public:
  // 0: no limit.
  explicit RateLimit(uint64_t max_bytes_per_s) : max_bytes_per_s_(max_bytes_per_s) {}

  // How long to wait from `now`, a monotonic time, before `bytes` more are moved.
  absl::Duration Take(absl::Duration now, uint64_t bytes);

 private:
  const uint64_t max_bytes_per_s_;
  absl::Duration free_at_ = -absl::InfiniteDuration();
};

class JobGate {
 public:
  // Both outlive the gate. Without an operation nobody can cancel: what undoes one.
  JobGate(const operations::RunningOperation* operation, const Clock& clock,
          uint64_t max_bytes_per_s)
      : operation_(operation), clock_(clock), limit_(max_bytes_per_s) {}

  // Waits for the turn of `bytes`. Errors: as RunningOperation::CheckGoesOn, soon after it says so.
  absl::Status Pass(uint64_t bytes);

 private:
  absl::Status CheckGoesOn() const;

  const operations::RunningOperation* const operation_;
  const Clock& clock_;
  RateLimit limit_;
};

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_JOB_GATE_H_
