// How fast a job goes: the mean over its last seconds, so that a stall shows and a fast start does
// not hide it. Not thread-safe.
#ifndef HVAGENT_AGENT_OPERATIONS_PROGRESS_RATE_H_
#define HVAGENT_AGENT_OPERATIONS_PROGRESS_RATE_H_

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/time/time.h"

namespace hvagent::operations {

class ProgressRate {
 public:
  // `at` is a monotonic time, and never goes back; `bytes_done` may.
  void Add(absl::Duration at, uint64_t bytes_done);
  // 0 until two reports lie far enough apart to tell.
  uint64_t bytes_per_s() const;

 private:
  std::deque<std::pair<absl::Duration, uint64_t>> reports_;  // at most one each tenth of a second
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_PROGRESS_RATE_H_
