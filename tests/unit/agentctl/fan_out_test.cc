#include "agentctl/fan_out.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/mutex.h"

namespace hvagent::agentctl {
namespace {

TEST(FanOutTest, ResultsComeInTheOrderOfTheTargets) {
  std::vector<int> targets(200);
  std::iota(targets.begin(), targets.end(), 0);
  EXPECT_EQ(FanOut(targets, [](int target) { return target; }), targets);
}

TEST(FanOutTest, NothingToDoIsNoResult) {
  EXPECT_TRUE(FanOut(std::vector<int>(), [](int target) { return target; }).empty());
}

// Each job waits for the others: it would never end if they ran one after another.
TEST(FanOutTest, TargetsAreAskedAtOnce) {
  constexpr int kTargets = 8;
  Mutex mutex;
  CondVar changed;
  int running = 0;
  FanOut(std::vector<int>(kTargets), [&](int) {
    MutexLock lock(mutex);
    ++running;
    changed.SignalAll();
    while (running < kTargets) changed.Wait(mutex);
    return true;
  });
  EXPECT_EQ(running, kTargets);
}

TEST(FanOutTest, NeverMoreAtOnceThanAllowed) {
  Mutex mutex;
  int running = 0;
  int most = 0;
  FanOut(
      std::vector<int>(50),
      [&](int) {
        {
          MutexLock lock(mutex);
          most = std::max(most, ++running);
        }
        MutexLock lock(mutex);
        --running;
        return true;
      },
      /*max_parallel=*/3);
  EXPECT_LE(most, 3);
}

}  // namespace
}  // namespace hvagent::agentctl
