#include "agent/hypervisor/event_dispatcher.h"

#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hvagent::hypervisor {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
using Notice = std::optional<Uuid>;

// Hears, but hangs in its first call until it is let go.
class SlowListener {
 public:
  EventDispatcher::Listener Listener() {
    return [this](Notice notice) {
      MutexLock lock(mutex_);
      heard_.push_back(notice);
      changed_.SignalAll();
      while (!let_go_) changed_.Wait(mutex_);
    };
  }
  void LetGo() {
    MutexLock lock(mutex_);
    let_go_ = true;
    changed_.SignalAll();
  }
  // Waits until it was called `count` times, and returns what with.
  std::vector<Notice> Await(size_t count) {
    MutexLock lock(mutex_);
    while (heard_.size() < count) changed_.Wait(mutex_);
    return heard_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool let_go_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Notice> heard_ ABSL_GUARDED_BY(mutex_);
};

TEST(EventDispatcherTest, NamesAnObjectOnceHoweverOftenItChanged) {
  const Uuid first = Uuid::Random();
  const Uuid second = Uuid::Random();
  EventDispatcher dispatcher("test-events");
  SlowListener slow;
  dispatcher.SetListener(slow.Listener());
  dispatcher.Post(first);
  slow.Await(1);
  for (int i = 0; i < 3; ++i) {
    dispatcher.Post(second);
    dispatcher.Post(first);
  }
  slow.LetGo();
  slow.Await(3);
  dispatcher.Post(std::nullopt);  // comes after all that waited
  EXPECT_THAT(slow.Await(4), UnorderedElementsAre(first, first, second, std::nullopt));
  dispatcher.SetListener(nullptr);
}

TEST(EventDispatcherTest, LookAtAllSwallowsTheRest) {
  const Uuid first = Uuid::Random();
  const Uuid last = Uuid::Random();
  EventDispatcher dispatcher("test-events");
  SlowListener slow;
  dispatcher.SetListener(slow.Listener());
  dispatcher.Post(first);
  slow.Await(1);
  dispatcher.Post(Uuid::Random());
  dispatcher.Post(std::nullopt);
  dispatcher.Post(Uuid::Random());
  slow.LetGo();
  slow.Await(2);
  dispatcher.Post(last);
  EXPECT_THAT(slow.Await(3), ElementsAre(first, std::nullopt, last));
  dispatcher.SetListener(nullptr);
}

TEST(EventDispatcherTest, FirstListenerHearsOfWhatWasBefore) {
  EventDispatcher dispatcher("test-events");
  dispatcher.Post(Uuid::Random());
  dispatcher.Post(Uuid::Random());
  SlowListener listener;
  dispatcher.SetListener(listener.Listener());
  EXPECT_THAT(listener.Await(1), ElementsAre(std::nullopt));
  listener.LetGo();
  dispatcher.SetListener(nullptr);
}

TEST(EventDispatcherTest, RemovalWaitsForCallUnderWay) {
  EventDispatcher dispatcher("test-events");
  std::promise<void> entered;
  std::promise<void> let_go;
  bool returned = false;
  dispatcher.SetListener([&](Notice) {
    entered.set_value();
    let_go.get_future().wait();
    returned = true;
  });
  dispatcher.Post(std::nullopt);
  entered.get_future().wait();
  std::thread remover([&] {
    dispatcher.SetListener(nullptr);
    EXPECT_TRUE(returned);
  });
  let_go.set_value();
  remover.join();
}

}  // namespace
}  // namespace hvagent::hypervisor
