// Time as a dependency. Intervals are measured on the monotonic clock, so that a step of the
// wall clock neither hurries nor delays anything; the wall clock only labels what people read.
#ifndef HVAGENT_BASE_CLOCK_H_
#define HVAGENT_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace hvagent {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall-clock time, for records that people read.
  virtual absl::Time Now() const = 0;
  // Time since some fixed moment; never goes back.
  virtual absl::Duration Monotonic() const = 0;
};

// The machine's clock. Never destroyed.
const Clock& SystemClock();

}  // namespace hvagent

#endif  // HVAGENT_BASE_CLOCK_H_
