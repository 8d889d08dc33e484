#include "agent/reconcile/work_queue.h"

namespace hvagent::reconcile {

void WorkQueue::Add(const Uuid& key) {
  MutexLock lock(mutex_);
  AddLocked(key);
}

void WorkQueue::AddLocked(const Uuid& key) {
  if (!dirty_.insert(key).second) return;
  if (processing_.contains(key)) return;  // Done puts it into the queue.
  ready_.push_back(key);
  changed_.Signal();
}

void WorkQueue::AddAfter(const Uuid& key, absl::Duration delay) {
  MutexLock lock(mutex_);
  if (delay <= absl::ZeroDuration()) {
    AddLocked(key);
    return;
  }
  const absl::Duration due = clock_.Monotonic() + delay;
  auto [it, inserted] = due_.try_emplace(key, due);
  if (!inserted) {
    if (it->second <= due) return;
    by_time_.erase({it->second, key});
    it->second = due;
  }
  by_time_.insert({due, key});
  changed_.Signal();
}

absl::Duration WorkQueue::TakeDueLocked() {
  const absl::Duration now = clock_.Monotonic();
  while (!by_time_.empty()) {
    const auto [due, key] = *by_time_.begin();
    if (due > now) return due - now;
    by_time_.erase(by_time_.begin());
    due_.erase(key);
    AddLocked(key);
  }
  return absl::InfiniteDuration();
}

std::optional<Uuid> WorkQueue::Get() {
  MutexLock lock(mutex_);
  while (true) {
    if (shut_down_) return std::nullopt;
    const absl::Duration next = TakeDueLocked();
    if (!ready_.empty()) break;
    changed_.WaitFor(mutex_, next);
  }
  const Uuid key = ready_.front();
  ready_.pop_front();
  dirty_.erase(key);
  processing_.insert(key);
  return key;
}

void WorkQueue::Done(const Uuid& key) {
  MutexLock lock(mutex_);
  processing_.erase(key);
  if (dirty_.contains(key)) {
    ready_.push_back(key);
    changed_.Signal();
  }
}

void WorkQueue::ShutDown() {
  MutexLock lock(mutex_);
  shut_down_ = true;
  changed_.SignalAll();
}

}  // namespace hvagent::reconcile
