// Forgets what nobody needs any more: ended operations, answered request ids, and deleted VMs that
// cannot be had back, after a day; and gives memory that work has left free back to the kernel.
// Does from time to time what else it is given.
#ifndef HVAGENT_AGENT_HOUSEKEEPER_H_
#define HVAGENT_AGENT_HOUSEKEEPER_H_

#include <functional>
#include <thread>
#include <utility>

#include "agent/state/state_store.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace hvagent {

class Housekeeper {
 public:
  // Both outlive the housekeeper. `each_round` is called on its thread, and may block.
  Housekeeper(state::StateStore& state, const Clock& clock, absl::Duration period,
              std::function<void()> each_round)
      : state_(state), clock_(clock), period_(period), each_round_(std::move(each_round)) {}
  ~Housekeeper() { Stop(); }

  // Prunes now and then every hour, and does the rest every `period`, on a thread of its own.
  void Start();
  void Stop();

  // Prunes once.
  void Prune();

 private:
  state::StateStore& state_;
  const Clock& clock_;
  const absl::Duration period_;
  const std::function<void()> each_round_;
  Mutex mutex_;
  CondVar stop_changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hvagent

#endif  // HVAGENT_AGENT_HOUSEKEEPER_H_
