// Mutual exclusion for each key by itself: "one change of this VM at a time" without making VMs
// wait for one another.
#ifndef HVAGENT_BASE_KEYED_LOCK_H_
#define HVAGENT_BASE_KEYED_LOCK_H_

#include <set>
#include <utility>

#include "base/mutex.h"

namespace hvagent {

// The keys that are held. Thread-safe; outlives its locks.
template <typename Key>
class KeyedMutex {
 public:
  KeyedMutex() = default;
  KeyedMutex(const KeyedMutex&) = delete;
  KeyedMutex& operator=(const KeyedMutex&) = delete;

  // Blocks while another thread holds `key`.
  void Lock(const Key& key) {
    MutexLock lock(mutex_);
    while (!held_.insert(key).second) released_.Wait(mutex_);
  }

  void Unlock(const Key& key) {
    MutexLock lock(mutex_);
    held_.erase(key);
    released_.SignalAll();
  }

 private:
  Mutex mutex_;
  CondVar released_;
  std::set<Key> held_ ABSL_GUARDED_BY(mutex_);
};

// Holds one key while it lives.
template <typename Key>
class KeyedLock {
 public:
  KeyedLock(KeyedMutex<Key>& mutex, Key key) : mutex_(mutex), key_(std::move(key)) {
    mutex_.Lock(key_);
  }
  ~KeyedLock() { mutex_.Unlock(key_); }

  KeyedLock(const KeyedLock&) = delete;
  KeyedLock& operator=(const KeyedLock&) = delete;

 private:
  KeyedMutex<Key>& mutex_;
  const Key key_;
};

}  // namespace hvagent

#endif  // HVAGENT_BASE_KEYED_LOCK_H_
