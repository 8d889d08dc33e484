// Forgets what nobody needs any more: ended operations and answered request ids, after a day; and
// gives memory that work has left free back to the kernel.
#ifndef HVAGENT_AGENT_HOUSEKEEPER_H_
#define HVAGENT_AGENT_HOUSEKEEPER_H_

#include <thread>

#include "agent/state/state_store.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace hvagent {

class Housekeeper {
 public:
  // Both outlive the housekeeper.
  Housekeeper(state::StateStore& state, const Clock& clock) : state_(state), clock_(clock) {}
  ~Housekeeper() { Stop(); }

  // Prunes now and then every hour, and trims memory every minute, on a thread of its own.
  void Start();
  void Stop();

  // Prunes once.
  void Prune();

 private:
  state::StateStore& state_;
  const Clock& clock_;
  Mutex mutex_;
  CondVar stop_changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hvagent

#endif  // HVAGENT_AGENT_HOUSEKEEPER_H_
