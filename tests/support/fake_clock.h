// Time that stands still until a test moves it.
#ifndef HVAGENT_TESTS_SUPPORT_FAKE_CLOCK_H_
#define HVAGENT_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "base/clock.h"

namespace hvagent::testing {

// Thread-safe.
class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixNanos(now_ns_); }
  absl::Duration Monotonic() const override { return absl::Nanoseconds(now_ns_.load()); }
  void Advance(absl::Duration by) { now_ns_ += absl::ToInt64Nanoseconds(by); }

 private:
  std::atomic<int64_t> now_ns_ = 1'700'000'000'000'000'000;
};

}  // namespace hvagent::testing

#endif  // HVAGENT_TESTS_SUPPORT_FAKE_CLOCK_H_
