#include "agent/reconcile/turns.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::FakeClock;

class TurnsTest : public ::testing::Test {
 protected:
  // How long the VM waits for its next turn; then takes it.
  absl::Duration AwaitTurn() {
    const std::optional<Turns::Pause> pause = turns_.Take(vm_);
    if (!pause.has_value()) return absl::ZeroDuration();
    EXPECT_EQ(pause->until, clock_.Now() + pause->left);
    clock_.Advance(pause->left);
    EXPECT_FALSE(turns_.Take(vm_).has_value());
    return pause->left;
  }

  FakeClock clock_;
  Turns turns_{clock_};
  const Uuid vm_ = Uuid::Random();
};

TEST_F(TurnsTest, TheFirstComesAtOnceAndThePausesGrowUpToTheLongest) {
  EXPECT_EQ(AwaitTurn(), absl::ZeroDuration());
  absl::Duration full = Turns::kFirstPause;
  for (int turn = 0; turn < 12; ++turn) {
    const absl::Duration pause = AwaitTurn();
    EXPECT_GE(pause, 0.75 * full);
    EXPECT_LE(pause, full);
    full = std::min(2 * full, Turns::kLongestPause);
  }
  EXPECT_EQ(full, Turns::kLongestPause);
}

TEST_F(TurnsTest, WhoAsksBeforeItsTimeWaitsNoLongerForIt) {
  AwaitTurn();
  const auto first = turns_.Take(vm_);
  ASSERT_TRUE(first.has_value());
  clock_.Advance(first->left / 2);
  const auto second = turns_.Take(vm_);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->until, first->until);
  EXPECT_LT(second->left, first->left);
}

TEST_F(TurnsTest, AGuestThatRanLongEnoughStartsAtOnceAgain) {
  for (int turn = 0; turn < 5; ++turn) AwaitTurn();
  clock_.Advance(Turns::kLongestPause - absl::Seconds(1));
  EXPECT_GT(AwaitTurn(), absl::ZeroDuration());
  clock_.Advance(Turns::kLongestPause);
  EXPECT_EQ(AwaitTurn(), absl::ZeroDuration());
}

TEST_F(TurnsTest, EachVmHasItsOwnAndOneThatIsForgottenBeginsAnew) {
  AwaitTurn();
  EXPECT_FALSE(turns_.Take(Uuid::Random()).has_value());
  EXPECT_TRUE(turns_.Take(vm_).has_value());
  turns_.Forget(vm_);
  EXPECT_FALSE(turns_.Take(vm_).has_value());
}

}  // namespace
}  // namespace hvagent::reconcile
