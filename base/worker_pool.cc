#include "base/worker_pool.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent {

WorkerPool::WorkerPool(std::string name, size_t max_threads, size_t max_queued)
    : name_(std::move(name)), max_threads_(max_threads), max_queued_(max_queued) {}

WorkerPool::~WorkerPool() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    work_.SignalAll();
  }
  for (std::thread& thread : threads) thread.join();
}

absl::Status WorkerPool::Submit(std::function<void()> task) {
  MutexLock lock(mutex_);
  if (queue_.size() >= max_queued_) {
    return Error(absl::StatusCode::kUnavailable, "OVERLOADED",
                 absl::StrCat("the ", name_, " queue is full (", max_queued_,
                              " calls wait); try again later"));
  }
  queue_.push_back(std::move(task));
  if (queue_.size() > idle_ && threads_.size() < max_threads_) {
    threads_.emplace_back([this] { Run(); });
  }
  work_.Signal();
  return absl::OkStatus();
}

void WorkerPool::Run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  mutex_.Lock();
  while (true) {
    ++idle_;
    while (queue_.empty() && !stopping_) work_.Wait(mutex_);
    --idle_;
    if (queue_.empty()) break;
    {
      std::function<void()> task = std::move(queue_.front());
      queue_.pop_front();
      mutex_.Unlock();
      task();
    }
    mutex_.Lock();
  }
  mutex_.Unlock();
}

}  // namespace hvagent
