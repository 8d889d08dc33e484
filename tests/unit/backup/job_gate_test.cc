#include "agent/backup/job_gate.h"

#include "gtest/gtest.h"

namespace hvagent::backup {
namespace {

constexpr absl::Duration kStart = absl::Hours(1);

TEST(RateLimitTest, WithoutALimitNobodyWaits) {
  RateLimit limit(0);
  EXPECT_EQ(limit.Take(kStart, uint64_t{1} << 40), absl::ZeroDuration());
  EXPECT_EQ(limit.Take(kStart, uint64_t{1} << 40), absl::ZeroDuration());
}

TEST(RateLimitTest, WhoComesTooEarlyWaitsUntilTheBytesBeforeAreDue) {
  RateLimit limit(1000);
  EXPECT_EQ(limit.Take(kStart, 1000), absl::ZeroDuration());
  // A quarter of a second was saved up.
  EXPECT_EQ(limit.Take(kStart, 1000), absl::Milliseconds(750));
  EXPECT_EQ(limit.Take(kStart, 1000), absl::Milliseconds(1750));
}

TEST(RateLimitTest, APauseIsNotSavedUpForLong) {
  RateLimit limit(1000);
  EXPECT_EQ(limit.Take(kStart, 1000), absl::ZeroDuration());
  const absl::Duration later = kStart + absl::Minutes(1);
  EXPECT_EQ(limit.Take(later, 1000), absl::ZeroDuration());
  EXPECT_EQ(limit.Take(later, 1000), absl::Milliseconds(750));
}

TEST(JobGateTest, WithoutAnOperationNobodyCancels) {
  JobGate gate(nullptr, SystemClock(), 0);
  EXPECT_TRUE(gate.Pass(1).ok());
}

}  // namespace
}  // namespace hvagent::backup
