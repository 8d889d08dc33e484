// How far each VM is: the outcome of its last reconciliation, for Get and List, and for those who
// wait until a VM is as its spec wants it. In memory only: after a restart it fills again.
// Thread-safe; never blocks.
#ifndef HVAGENT_AGENT_RECONCILE_STATUS_BOARD_H_
#define HVAGENT_AGENT_RECONCILE_STATUS_BOARD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/reconcile/vm_feed.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/uuid.h"

namespace hvagent::reconcile {

// The outcome of looking at a VM and acting once.
struct Outcome {
  int64_t generation = 0;    // of the spec that was acted on
  absl::Duration looked_at;  // when the look began, on the monotonic clock
  // As it shall be. Otherwise `error` says why not, or is OK while it is only a matter of time.
  bool converged = false;
  absl::Status error;
  // The record is gone: a deletion came to its end.
  bool removed = false;
  // As the look found the domain; nullopt: there was none, or libvirt did not answer.
  std::optional<hypervisor::DomainState> domain_state;
  // What the running guest has only from its next start, as paths of the spec's fields.
  std::vector<std::string> pending_restart;
  bool claimed = false;
  // Why its guest is not running or started again right now, and when it will be.
  struct Waiting {
    std::string reason;  // RESTART_BACKOFF, GUEST_IO_ERROR
    std::string message;
    friend bool operator==(const Waiting&, const Waiting&) = default;
  };
  std::optional<Waiting> waiting;
  // Its guest stopped by itself and is left off.
  bool stays_off = false;

  // Whether a watcher would see no difference between this and `other`.
  bool LooksLike(const Outcome& other) const;
};

class StatusBoard {
 public:
  // Each change that a watcher would see goes to `feed`. Both outlive the board.
  StatusBoard(const Clock& clock, VmFeed& feed) : clock_(clock), feed_(feed) {}

  struct Entry {
    Outcome outcome;
    absl::Time since;  // when `converged` or the error's reason last changed
  };

  // nullopt when nobody has looked yet.
  std::optional<Entry> Get(const Uuid& uuid) const;

  // Records an outcome and calls those who waited for it, outside the lock.
  void Publish(const Uuid& uuid, const Outcome& outcome);

  // Calls `done` once when a look that began after this call finds the VM settled at `generation`
  // or a later one: with OK when it converged or was removed, or with the error when that will not
  // pass by itself. So ask for a look (Reconciler::Enqueue) after waiting. The id is for
  // StopWaiting.
  using Done = std::function<void(const absl::Status&)>;
  using WaiterId = uint64_t;
  WaiterId Wait(const Uuid& uuid, int64_t generation, Done done);
  // Forgets a waiter. Returns false when it was called already, or is about to be.
  bool StopWaiting(WaiterId id);

 private:
  struct Waiter {
    Uuid uuid;
    int64_t generation;
    absl::Duration not_before;
    Done done;

    bool SettledBy(const Outcome& outcome) const;
  };

  const Clock& clock_;
  VmFeed& feed_;
  mutable Mutex mutex_;
  std::map<Uuid, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<WaiterId, Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  WaiterId next_waiter_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_STATUS_BOARD_H_
