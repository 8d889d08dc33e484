#include "base/keyed_lock.h"

#include <future>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace hvagent {
namespace {

TEST(KeyedLockTest, KeysDoNotWaitForOneAnother) {
  KeyedMutex<std::string> mutex;
  const KeyedLock<std::string> a(mutex, "a");
  std::thread([&] { const KeyedLock<std::string> b(mutex, "b"); }).join();  // or hangs
}

TEST(KeyedLockTest, TheSameKeyWaitsUntilItIsLetGo) {
  KeyedMutex<std::string> mutex;
  bool let_go = false;
  std::thread second;
  {
    const KeyedLock<std::string> a(mutex, "a");
    std::promise<void> runs;
    second = std::thread([&] {
      runs.set_value();
      const KeyedLock<std::string> again(mutex, "a");
      EXPECT_TRUE(let_go);
    });
    runs.get_future().wait();
    let_go = true;
  }
  second.join();
}

}  // namespace
}  // namespace hvagent
