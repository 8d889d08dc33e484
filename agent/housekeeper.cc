#include "agent/housekeeper.h"

#include <pthread.h>

#include "glog/logging.h"

namespace hvagent {
namespace {

constexpr absl::Duration kPeriod = absl::Hours(1);
constexpr absl::Duration kKept = absl::Hours(24);

}  // namespace

void Housekeeper::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "housekeeper");
    while (true) {
      Prune();
      MutexLock lock(mutex_);
      if (!stopping_) stop_changed_.WaitFor(mutex_, kPeriod);
      if (stopping_) return;
    }
  });
}

void Housekeeper::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stop_changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Housekeeper::Prune() {
  const absl::Time cutoff = clock_.Now() - kKept;
  for (const absl::Status& status :
       {state_.PruneOperations(cutoff), state_.PruneRequests(cutoff)}) {
    LOG_IF(WARNING, !status.ok()) << "housekeeping: " << status;
  }
}

}  // namespace hvagent
