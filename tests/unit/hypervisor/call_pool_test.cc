#include "agent/hypervisor/call_pool.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "gtest/gtest.h"

namespace hvagent::hypervisor {
namespace {

using Outcome = CallPool::Outcome;

constexpr absl::Duration kLong = absl::Minutes(1);
constexpr absl::Duration kShort = absl::Milliseconds(20);

// Lets calls hang until it is opened. Calls hold it by shared_ptr, as they may outlive the test.
class Gate {
 public:
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.SignalAll();
  }
  void Wait() {
    MutexLock lock(mutex_);
    ++waiting_;
    changed_.SignalAll();
    while (!open_) changed_.Wait(mutex_);
  }
  void AwaitWaiting(int count) {
    MutexLock lock(mutex_);
    while (waiting_ < count) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Calls `gate` in a way that is abandoned, and not merely never started, as on a busy machine.
void Abandon(CallPool& pool, const std::shared_ptr<Gate>& gate) {
  Outcome outcome;
  do {
    outcome = pool.Run(kShort, [gate] { gate->Wait(); });
  } while (outcome == Outcome::kNotStarted);
  ASSERT_EQ(outcome, Outcome::kAbandoned);
}

// The threads of a pool end after the calls they ran.
void AwaitNoneAbandoned(const CallPool& pool) {
  while (pool.abandoned() > 0) std::this_thread::yield();
}

TEST(CallPoolTest, ReturnsWhenTheCallHas) {
  CallPool pool("test", 1, 1);
  bool called = false;
  EXPECT_EQ(pool.Run(kLong, [&] { called = true; }), Outcome::kDone);
  EXPECT_TRUE(called);
}

TEST(CallPoolTest, ReleasesWhatTheCallOwnsBeforeItReturns) {
  CallPool pool("test", 1, 1);
  auto owned = std::make_shared<int>();
  EXPECT_EQ(pool.Run(kLong, [owned] {}), Outcome::kDone);
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(CallPoolTest, AbandonsCallThatHangsAndServesTheNext) {
  CallPool pool("test", 1, 2);
  auto gate = std::make_shared<Gate>();
  Abandon(pool, gate);
  EXPECT_EQ(pool.abandoned(), 1);
  EXPECT_EQ(pool.Run(kLong, [] {}), Outcome::kDone);
  gate->Open();
  AwaitNoneAbandoned(pool);
}

TEST(CallPoolTest, FailsAtOnceWhenAllThatMayHangDo) {
  CallPool pool("test", 1, 2);
  auto gate = std::make_shared<Gate>();
  Abandon(pool, gate);
  Abandon(pool, gate);
  EXPECT_EQ(pool.Run(kLong, [] {}), Outcome::kAllStuck);
  gate->Open();
  AwaitNoneAbandoned(pool);
  EXPECT_EQ(pool.Run(kLong, [] {}), Outcome::kDone);
}

TEST(CallPoolTest, NeverRunsCallThatGotNoThreadInTime) {
  CallPool pool("test", 1, 1);
  auto gate = std::make_shared<Gate>();
  std::thread busy([&] { EXPECT_EQ(pool.Run(kLong, [gate] { gate->Wait(); }), Outcome::kDone); });
  gate->AwaitWaiting(1);
  auto called = std::make_shared<std::atomic<bool>>(false);
  EXPECT_EQ(pool.Run(kShort, [called] { *called = true; }), Outcome::kNotStarted);
  gate->Open();
  busy.join();
  EXPECT_EQ(pool.Run(kLong, [] {}), Outcome::kDone);
  EXPECT_FALSE(*called);
}

TEST(CallPoolTest, WaitingCallGetsTheThreadInTheSteadOfAbandonedOne) {
  CallPool pool("test", 1, 1);
  auto gate = std::make_shared<Gate>();
  std::thread hanging([&] { Abandon(pool, gate); });
  gate->AwaitWaiting(1);
  EXPECT_EQ(pool.Run(kLong, [] {}), Outcome::kDone);
  hanging.join();
  gate->Open();
}

TEST(CallPoolTest, CallsThatWaitDoNotPileUpThreads) {
  CallPool pool("test", 1, 2);
  auto gate = std::make_shared<Gate>();
  auto begun = std::make_shared<std::atomic<int>>(0);
  std::vector<std::thread> callers;
  for (int i = 0; i < 12; ++i) {
    // Later ones have more time, so that each finds those before it abandoned.
    callers.emplace_back([&, i] {
      EXPECT_NE(pool.Run(kShort * (i + 1),
                         [gate, begun] {
                           ++*begun;
                           gate->Wait();
                         }),
                Outcome::kDone);
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_LE(*begun, 3);
  gate->Open();
  AwaitNoneAbandoned(pool);
  EXPECT_EQ(pool.Run(kLong, [] {}), Outcome::kDone);
}

TEST(CallPoolTest, RunsNoMoreCallsAtOnceThanItMay) {
  CallPool pool("test", 2, 1);
  auto gate = std::make_shared<Gate>();
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([&] {
      EXPECT_EQ(pool.Run(kLong,
                         [&, gate] {
                           const int now = ++running;
                           int seen = most;
                           while (seen < now && !most.compare_exchange_weak(seen, now)) {
                           }
                           gate->Wait();
                           --running;
                         }),
                Outcome::kDone);
    });
  }
  gate->AwaitWaiting(2);
  gate->Open();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(most, 2);
}

TEST(CallPoolTest, DestructionLeavesHangingCallBehind) {
  auto gate = std::make_shared<Gate>();
  std::weak_ptr<Gate> watch = gate;
  {
    CallPool pool("test", 1, 1);
    Abandon(pool, gate);
  }
  gate->Open();
  gate = nullptr;
  while (!watch.expired()) std::this_thread::yield();
}

}  // namespace
}  // namespace hvagent::hypervisor
