#include "base/worker_pool.h"

#include <atomic>
#include <future>

#include "base/error.h"
#include "gtest/gtest.h"

namespace hvagent {
namespace {

TEST(WorkerPoolTest, RunsTasksOnAsManyThreadsAsAllowed) {
  // Both must run at the same time for either to end.
  std::promise<void> first_started, second_started, done;
  WorkerPool pool("test", 2, 10);
  ASSERT_TRUE(pool.Submit([&] {
                    first_started.set_value();
                    second_started.get_future().wait();
                    done.set_value();
                  })
                  .ok());
  ASSERT_TRUE(pool.Submit([&] {
                    first_started.get_future().wait();
                    second_started.set_value();
                  })
                  .ok());
  done.get_future().wait();
}

TEST(WorkerPoolTest, RefusesWhatDoesNotFitTheQueue) {
  std::promise<void> started, release;
  WorkerPool pool("test", 1, 1);
  ASSERT_TRUE(pool.Submit([&] {
                    started.set_value();
                    release.get_future().wait();
                  })
                  .ok());
  started.get_future().wait();
  ASSERT_TRUE(pool.Submit([] {}).ok());
  const absl::Status status = pool.Submit([] {});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), "OVERLOADED");
  release.set_value();
}

TEST(WorkerPoolTest, DestructorRunsWhatIsQueued) {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool("test", 1, 100);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(pool.Submit([&] { ++ran; }).ok());
  }
  EXPECT_EQ(ran, 10);
}

}  // namespace
}  // namespace hvagent
