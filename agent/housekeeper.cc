#include "agent/housekeeper.h"

#include <malloc.h>
#include <pthread.h>

#include "glog/logging.h"

namespace hvagent {
namespace {

constexpr absl::Duration kPrunePeriod = absl::Hours(1);
constexpr absl::Duration kKept = absl::Hours(24);

}  // namespace

void Housekeeper::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "housekeeper");
    absl::Duration prune_at = clock_.Monotonic();
    while (true) {
      if (clock_.Monotonic() >= prune_at) {
        Prune();
        prune_at = clock_.Monotonic() + kPrunePeriod;
      }
      each_round_();
      // Many boots at once leave pages behind that are free and scattered: malloc alone would
      // never give them back.
      malloc_trim(0);
      MutexLock lock(mutex_);
      if (!stopping_) stop_changed_.WaitFor(mutex_, period_);
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
  for (const absl::Status& status : {state_.PruneOperations(cutoff), state_.PruneRequests(cutoff),
                                     state_.PruneDeletedVms(cutoff)}) {
    LOG_IF(WARNING, !status.ok()) << "housekeeping: " << status;
  }
}

}  // namespace hvagent
