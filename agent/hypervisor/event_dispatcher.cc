#include "agent/hypervisor/event_dispatcher.h"

#include <pthread.h>

#include <utility>

namespace hvagent::hypervisor {

EventDispatcher::EventDispatcher(const std::string& thread_name)
    : thread_([this, thread_name] { Run(thread_name); }) {}

EventDispatcher::~EventDispatcher() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  thread_.join();
}

void EventDispatcher::Post(std::optional<Uuid> uuid) {
  MutexLock lock(mutex_);
  if (!uuid.has_value() || !listener_) {
    look_at_all_ = true;
    uuids_.clear();
  } else if (!look_at_all_) {
    uuids_.insert(*uuid);
  }
  changed_.SignalAll();
}

void EventDispatcher::SetListener(Listener listener) {
  MutexLock lock(mutex_);
  listener_.swap(listener);
  changed_.SignalAll();
  // A later call is the new listener's.
  const uint64_t current = calls_;
  while (calling_ && calls_ == current) changed_.Wait(mutex_);
}

bool EventDispatcher::HasNotice() const { return look_at_all_ || !uuids_.empty(); }

std::optional<Uuid> EventDispatcher::TakeNotice() {
  if (look_at_all_) {
    look_at_all_ = false;
    return std::nullopt;
  }
  return uuids_.extract(uuids_.begin()).value();
}

void EventDispatcher::Run(const std::string& thread_name) {
  pthread_setname_np(pthread_self(), thread_name.c_str());
  mutex_.Lock();
  while (true) {
    while (!stopping_ && !(listener_ && HasNotice())) changed_.Wait(mutex_);
    if (stopping_) break;
    const std::optional<Uuid> notice = TakeNotice();
    // A copy, since SetListener may replace the original meanwhile.
    Listener listener = listener_;
    calling_ = true;
    ++calls_;
    mutex_.Unlock();
    listener(notice);
    listener = nullptr;
    mutex_.Lock();
    calling_ = false;
    changed_.SignalAll();
  }
  mutex_.Unlock();
}

}  // namespace hvagent::hypervisor
