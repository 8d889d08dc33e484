// Keeps what a listener of domains or of secrets was told, until it is awaited. Thread-safe.
#ifndef HVAGENT_TESTS_SUPPORT_NOTICES_H_
#define HVAGENT_TESTS_SUPPORT_NOTICES_H_

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/uuid.h"

namespace hvagent::testing {

class Notices {
 public:
  using Notice = std::optional<Uuid>;

  // It outlives the listener.
  std::function<void(Notice)> Listener() {
    return [this](Notice notice) {
      MutexLock lock(mutex_);
      notices_.push_back(notice);
      changed_.SignalAll();
    };
  }

  // Waits for a notice of this one, or of all for nullopt, and forgets it. Returns false when none
  // came within a generous time.
  bool Await(Notice notice) { return AwaitOneOf({notice}); }

  // As Await, but a notice of all does as well: it stands for each that waited when it was given.
  bool AwaitLookAt(const Uuid& uuid) { return AwaitOneOf({uuid, std::nullopt}); }

  void Forget() {
    MutexLock lock(mutex_);
    notices_.clear();
  }

  // Those that were neither awaited nor forgotten.
  std::vector<Notice> Left() {
    MutexLock lock(mutex_);
    return notices_;
  }

 private:
  bool AwaitOneOf(const std::vector<Notice>& wanted) {
    const absl::Duration deadline = SystemClock().Monotonic() + absl::Minutes(1);
    MutexLock lock(mutex_);
    while (true) {
      const auto found =
          std::find_first_of(notices_.begin(), notices_.end(), wanted.begin(), wanted.end());
      if (found != notices_.end()) {
        notices_.erase(found);
        return true;
      }
      const absl::Duration left = deadline - SystemClock().Monotonic();
      if (left <= absl::ZeroDuration()) return false;
      changed_.WaitFor(mutex_, left);
    }
  }

  Mutex mutex_;
  CondVar changed_;
  std::vector<Notice> notices_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hvagent::testing

#endif  // HVAGENT_TESTS_SUPPORT_NOTICES_H_
