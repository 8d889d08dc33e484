// When a guest that keeps stopping is started again: at once for the first time, then after pauses
// that grow, until it has run for as long as the longest of them.
//
// In memory only: after a restart of the agent a guest's first turn comes at once again.
// Thread-safe; never blocks.
#ifndef HVAGENT_AGENT_RECONCILE_TURNS_H_
#define HVAGENT_AGENT_RECONCILE_TURNS_H_

#include <map>
#include <optional>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/uuid.h"

namespace hvagent::reconcile {

class Turns {
 public:
  static constexpr absl::Duration kFirstPause = absl::Seconds(1);
  static constexpr absl::Duration kLongestPause = absl::Minutes(5);

  // `clock` outlives the object.
  explicit Turns(const Clock& clock) : clock_(clock) {}

  struct Pause {
    absl::Duration left;
    absl::Time until;
  };

  // Takes the VM's turn, if it is its time; else how long it waits.
  std::optional<Pause> Take(const Uuid& vm);

  // The next turn comes at once.
  void Forget(const Uuid& vm);

 private:
  struct State {
    int taken = 0;                      // in a row
    absl::Duration last;                // when, on the monotonic clock
    std::optional<absl::Duration> due;  // while it waits
    absl::Time until;                   // `due` as people read it
  };

  const Clock& clock_;
  Mutex mutex_;
  std::map<Uuid, State> states_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_TURNS_H_
