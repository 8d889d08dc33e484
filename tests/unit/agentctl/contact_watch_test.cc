#include "agentctl/contact_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace hvagent::agentctl {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(1);

TEST(ContactWatchTest, SilenceBeyondPatienceIsLostAndEndsThePolling) {
  grpc::ClientContext call;
  std::atomic<int> polls{0};
  ContactWatch watch(call, kInterval, absl::Milliseconds(20), [&] {
    ++polls;
    return absl::UnavailableError("silent");
  });
  while (!watch.lost()) std::this_thread::yield();
  EXPECT_GT(polls, 0);
}

TEST(ContactWatchTest, AnAnswerNowAndThenKeepsTheContact) {
  grpc::ClientContext call;
  Mutex mutex;
  CondVar changed;
  int polls = 0;
  // Every other poll fails; patience is far beyond two polls.
  ContactWatch watch(call, kInterval, absl::Seconds(60), [&] {
    MutexLock lock(mutex);
    changed.SignalAll();
    return ++polls % 2 == 0 ? absl::OkStatus() : absl::UnavailableError("silent");
  });
  {
    MutexLock lock(mutex);
    while (polls < 10) changed.Wait(mutex);
  }
  EXPECT_FALSE(watch.lost());
}

// It would run into the test's time limit if it waited.
TEST(ContactWatchTest, EndsWithoutWaitingForItsNextPoll) {
  grpc::ClientContext call;
  const ContactWatch watch(call, absl::Hours(1), absl::Hours(1), [] { return absl::OkStatus(); });
  EXPECT_FALSE(watch.lost());
}

}  // namespace
}  // namespace hvagent::agentctl
