#include "agent/backup/job_gate.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace hvagent::backup {
namespace {

constexpr absl::Duration kSavedUp = absl::Milliseconds(250);
// How long a cancelled job may go on waiting.
constexpr absl::Duration kNap = absl::Milliseconds(50);

}  // namespace

absl::Duration RateLimit::Take(absl::Duration now, uint64_t bytes) {
  if (max_bytes_per_s_ == 0) return absl::ZeroDuration();
  const absl::Duration start = std::max(free_at_, now - kSavedUp);
  free_at_ =
      start + absl::Seconds(1) * static_cast<double>(bytes) / static_cast<double>(max_bytes_per_s_);
  return std::max(start - now, absl::ZeroDuration());
}

absl::Status JobGate::CheckGoesOn() const {
  return operation_ == nullptr ? absl::OkStatus() : operation_->CheckGoesOn();
}

absl::Status JobGate::Pass(uint64_t bytes) {
  RETURN_IF_ERROR(CheckGoesOn());
  absl::Duration rest = limit_.Take(clock_.Monotonic(), bytes);
  while (rest > absl::ZeroDuration()) {
    absl::SleepFor(std::min(rest, kNap));
    rest -= kNap;
    RETURN_IF_ERROR(CheckGoesOn());
  }
  return absl::OkStatus();
}

}  // namespace hvagent::backup
