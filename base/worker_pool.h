// A fixed number of threads that run tasks in order of submission, with a bounded queue.
//
// It is what keeps gRPC threads from blocking on libvirt and librbd. Threads are started when
// first needed. Thread-safe.
#ifndef HVAGENT_BASE_WORKER_POOL_H_
#define HVAGENT_BASE_WORKER_POOL_H_

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/mutex.h"

namespace hvagent {

class WorkerPool {
 public:
  // At most `max_threads` run at once, and at most `max_queued` tasks wait. `name` (15 bytes are
  // shown) names the threads.
  WorkerPool(std::string name, size_t max_threads, size_t max_queued);
  // Runs what is queued, then joins the threads.
  ~WorkerPool();

  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Queues `task`. Does not block.
  // Errors: UNAVAILABLE (reason OVERLOADED) when the queue is full; nothing was queued then.
  absl::Status Submit(std::function<void()> task);

 private:
  void Run();

  const std::string name_;
  const size_t max_threads_;
  const size_t max_queued_;
  Mutex mutex_;
  CondVar work_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace hvagent

#endif  // HVAGENT_BASE_WORKER_POOL_H_
