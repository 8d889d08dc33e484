// Which VMs want attention. A key that is added many times is worked on once; a key that is added
// while it is worked on is worked on again afterwards; no key is worked on twice at a time.
// Thread-safe.
#ifndef HVAGENT_AGENT_RECONCILE_WORK_QUEUE_H_
#define HVAGENT_AGENT_RECONCILE_WORK_QUEUE_H_

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/uuid.h"

namespace hvagent::reconcile {

class WorkQueue {
 public:
  // `clock` outlives the queue.
  explicit WorkQueue(const Clock& clock) : clock_(clock) {}

  // Asks for attention to `key` now, or `delay` from now. Of several delays the earliest counts.
  void Add(const Uuid& key);
  void AddAfter(const Uuid& key, absl::Duration delay);

  // Waits for a key; the caller calls Done with it when it is through. nullopt after ShutDown.
  std::optional<Uuid> Get();
  void Done(const Uuid& key);

  // Makes Get return nullopt, for ever.
  void ShutDown();

 private:
  void AddLocked(const Uuid& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Moves what is due into the queue; returns how long until the next is.
  absl::Duration TakeDueLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<Uuid> ready_ ABSL_GUARDED_BY(mutex_);
  std::set<Uuid> dirty_ ABSL_GUARDED_BY(mutex_);  // in ready_, or to be after Done
  std::set<Uuid> processing_ ABSL_GUARDED_BY(mutex_);
  std::map<Uuid, absl::Duration> due_ ABSL_GUARDED_BY(mutex_);  // on the monotonic clock
  std::set<std::pair<absl::Duration, Uuid>> by_time_ ABSL_GUARDED_BY(mutex_);
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_WORK_QUEUE_H_
