#include "agent/hypervisor/call_pool.h"

#include <pthread.h>

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"

namespace hvagent::hypervisor {
namespace {

// One Run. Guarded by the pool's mutex, but for `function`, which belongs to the thread that
// took the call off the queue.
struct PendingCall {
  enum class Stage { kQueued, kRunning, kDone, kAbandoned };

  std::function<void()> function;
  Stage stage = Stage::kQueued;
  CondVar changed;
};

}  // namespace

// Shared with the threads, since an abandoned one may outlive the pool.
struct CallPool::State {
  State(const std::string& pool_name, size_t running_limit, size_t abandoned_limit)
      : name(pool_name.substr(0, 15)), max_running(running_limit), max_abandoned(abandoned_limit) {}

  const std::string name;
  const size_t max_running;
  const size_t max_abandoned;

  Mutex mutex;
  CondVar work;
  CondVar thread_ended;
  std::deque<std::shared_ptr<PendingCall>> queue ABSL_GUARDED_BY(mutex);
  size_t threads ABSL_GUARDED_BY(mutex) = 0;  // abandoned ones included
  size_t idle ABSL_GUARDED_BY(mutex) = 0;
  size_t abandoned ABSL_GUARDED_BY(mutex) = 0;
  bool stopping ABSL_GUARDED_BY(mutex) = false;

  // Starts a thread that serves `self` when a call waits for one.
  static void AddThread(const std::shared_ptr<State>& self)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex) {
    if (self->queue.size() <= self->idle) return;
    if (self->threads - self->abandoned >= self->max_running) return;
    if (self->threads >= self->max_running + self->max_abandoned) return;
    ++self->threads;
    std::thread([self] { self->Serve(); }).detach();
  }

  // The body of a thread: calls from the queue, until there are threads enough without it.
  void Serve() {
    pthread_setname_np(pthread_self(), name.c_str());
    mutex.Lock();
    while (true) {
      ++idle;
      while (queue.empty() && !stopping) work.Wait(mutex);
      --idle;
      if (stopping) break;
      std::shared_ptr<PendingCall> call = std::move(queue.front());
      queue.pop_front();
      call->stage = PendingCall::Stage::kRunning;
      mutex.Unlock();
      call->function();
      call->function = nullptr;  // what it captured goes here, outside the lock
      mutex.Lock();
      if (call->stage == PendingCall::Stage::kAbandoned) {
        --abandoned;
        if (threads - abandoned > max_running) break;  // it was replaced
      }
      call->stage = PendingCall::Stage::kDone;
      call->changed.Signal();
    }
    --threads;
    thread_ended.SignalAll();
    mutex.Unlock();
  }
};

CallPool::CallPool(const std::string& name, size_t max_running, size_t max_abandoned)
    : state_(std::make_shared<State>(name, max_running, max_abandoned)) {}

CallPool::~CallPool() {
  MutexLock lock(state_->mutex);
  state_->stopping = true;
  state_->work.SignalAll();
  while (state_->threads > state_->abandoned) state_->thread_ended.Wait(state_->mutex);
}

CallPool::Outcome CallPool::Run(absl::Duration timeout, std::function<void()> call) {
  const absl::Duration deadline = SystemClock().Monotonic() + timeout;
  auto pending = std::make_shared<PendingCall>();
  pending->function = std::move(call);

  MutexLock lock(state_->mutex);
  if (state_->abandoned >= state_->max_abandoned) return Outcome::kAllStuck;
  state_->queue.push_back(pending);
  State::AddThread(state_);
  state_->work.Signal();

  while (pending->stage != PendingCall::Stage::kDone) {
    const absl::Duration left = deadline - SystemClock().Monotonic();
    if (left > absl::ZeroDuration()) {
      pending->changed.WaitFor(state_->mutex, left);
      continue;
    }
    if (pending->stage == PendingCall::Stage::kQueued) {
      state_->queue.erase(std::find(state_->queue.begin(), state_->queue.end(), pending));
      return Outcome::kNotStarted;
    }
    pending->stage = PendingCall::Stage::kAbandoned;
    ++state_->abandoned;
    State::AddThread(state_);  // for those that wait behind it
    return Outcome::kAbandoned;
  }
  return Outcome::kDone;
}

size_t CallPool::abandoned() const {
  MutexLock lock(state_->mutex);
  return state_->abandoned;
}

}  // namespace hvagent::hypervisor
