#include "agent/reconcile/work_queue.h"

#include <thread>

#include "gtest/gtest.h"

namespace hvagent::reconcile {
namespace {

TEST(WorkQueueTest, HandsOutAKeyOnceHoweverOftenItWasAdded) {
  WorkQueue queue(SystemClock());
  const Uuid a = Uuid::Random(), b = Uuid::Random();
  queue.Add(a);
  queue.Add(a);
  queue.Add(b);
  EXPECT_EQ(queue.Get(), a);
  EXPECT_EQ(queue.Get(), b);
}

TEST(WorkQueueTest, AKeyAddedWhileItIsWorkedOnComesAgainAfterDone) {
  WorkQueue queue(SystemClock());
  const Uuid a = Uuid::Random(), b = Uuid::Random();
  queue.Add(a);
  EXPECT_EQ(queue.Get(), a);
  queue.Add(a);
  queue.Add(b);
  EXPECT_EQ(queue.Get(), b) << "a is being worked on";
  queue.Done(a);
  EXPECT_EQ(queue.Get(), a);
}

TEST(WorkQueueTest, TheEarliestOfSeveralDelaysCounts) {
  WorkQueue queue(SystemClock());
  const Uuid a = Uuid::Random();
  queue.AddAfter(a, absl::Hours(1));
  queue.AddAfter(a, absl::Milliseconds(1));
  queue.AddAfter(a, absl::Hours(2));
  EXPECT_EQ(queue.Get(), a);
}

TEST(WorkQueueTest, ShutDownWakesWhoeverWaits) {
  WorkQueue queue(SystemClock());
  std::thread waiter([&] { EXPECT_EQ(queue.Get(), std::nullopt); });
  queue.ShutDown();
  waiter.join();
}

}  // namespace
}  // namespace hvagent::reconcile
