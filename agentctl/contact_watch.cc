#include "agentctl/contact_watch.h"

#include <utility>

#include "base/clock.h"

namespace hvagent::agentctl {

ContactWatch::ContactWatch(grpc::ClientContext& call, absl::Duration interval,
                           absl::Duration patience, std::function<absl::Status()> poll)
    : thread_([this, &call, interval, patience, poll = std::move(poll)] {
        Run(call, interval, patience, poll);
      }) {}

ContactWatch::~ContactWatch() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  stop_changed_.SignalAll();
  thread_.join();
}

bool ContactWatch::lost() const {
  MutexLock lock(mutex_);
  return lost_;
}

void ContactWatch::Run(grpc::ClientContext& call, absl::Duration interval, absl::Duration patience,
                       const std::function<absl::Status()>& poll) {
  absl::Duration last_contact = SystemClock().Monotonic();
  while (true) {
    const absl::Duration wake = SystemClock().Monotonic() + interval;
    {
      MutexLock lock(mutex_);
      while (!stop_ && SystemClock().Monotonic() < wake) {
        stop_changed_.WaitFor(mutex_, wake - SystemClock().Monotonic());
      }
      if (stop_) return;
    }
    if (poll().ok()) {
      last_contact = SystemClock().Monotonic();
    } else if (SystemClock().Monotonic() - last_contact > patience) {
      MutexLock lock(mutex_);
      lost_ = true;
      call.TryCancel();
      return;
    }
  }
}

}  // namespace hvagent::agentctl
