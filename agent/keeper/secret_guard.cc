#include "agent/keeper/secret_guard.h"

#include <pthread.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "glog/logging.h"

namespace hvagent::keeper {
namespace {

// After a failed look; a new connection is a notice, and does not wait for this.
constexpr absl::Duration kFirstRetry = absl::Seconds(1);
constexpr absl::Duration kLastRetry = absl::Seconds(30);

}  // namespace

void SecretGuard::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "secret-guard");
    Run();
  });
  store_.SetListener([this](std::optional<Uuid> uuid) {
    const bool is_own = uuid.has_value() && keeper_.WroteJustNow(*uuid);
    MutexLock lock(mutex_);
    noticed_ = true;
    doubt_private_ = doubt_private_ || !is_own;
    changed_.SignalAll();
  });
}

void SecretGuard::Stop() {
  if (!thread_.joinable()) return;
  store_.SetListener(nullptr);
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  thread_.join();
}

void SecretGuard::Run() {
  absl::Duration pause = absl::ZeroDuration();
  absl::Duration retry = kFirstRetry;
  while (true) {
    bool doubt_private = true;
    {
      MutexLock lock(mutex_);
      if (!stopping_ && !noticed_) changed_.WaitFor(mutex_, pause);
      if (stopping_) return;
      // After a period without a notice, too: notices can be lost.
      doubt_private = doubt_private_ || !noticed_;
      noticed_ = false;
      doubt_private_ = false;
    }
    const absl::Status status = keeper_.KeepAll(doubt_private);
    if (status.ok()) {
      pause = period_;
      retry = kFirstRetry;
    } else {
      LOG_EVERY_T(WARNING, 30) << "secrets: " << status;
      pause = std::min(retry, period_);
      retry = std::min(2 * retry, kLastRetry);
    }
  }
}

}  // namespace hvagent::keeper
