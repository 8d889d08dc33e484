// The loop that keeps the node at its desired state. Level-triggered: a push, a libvirt event, a
// new connection and the periodic resync all only say "look again". One thread at a time works on
// a VM, VMs go in parallel; a retryable error comes back with backoff and jitter, and every other
// error at the next resync, since the world may have changed.
//
// Its stop never touches a guest: what is under way ends, the rest is found at the next start.
#ifndef HVAGENT_AGENT_RECONCILE_RECONCILER_H_
#define HVAGENT_AGENT_RECONCILE_RECONCILER_H_

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/reconcile/status_board.h"
#include "agent/reconcile/turns.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/reconcile/work_queue.h"
#include "agent/state/state_store.h"
#include "base/clock.h"

namespace hvagent::reconcile {

struct ReconcilerOptions {
  size_t max_parallel = 32;
  absl::Duration resync_period = absl::Seconds(60);
  absl::Duration first_backoff = absl::Milliseconds(500);
  absl::Duration max_backoff = absl::Seconds(30);
  // After which time a guest that was asked to shut down, or to let go of a disk, is asked again.
  absl::Duration ask_again = absl::Seconds(10);
};

class Reconciler {
 public:
  // Everything passed by reference outlives this object. Work begins with Start.
  Reconciler(ReconcilerOptions options, VmWorker& worker, hypervisor::Hypervisor& hypervisor,
             state::StateStore& state, StatusBoard& board, const Clock& clock);
  ~Reconciler();

  // Starts the threads and looks at every VM of the state.
  void Start();
  // Ends what is under way and joins. Idempotent.
  void Stop();

  // Asks for a look at one VM. Does not block. Thread-safe.
  void Enqueue(const Uuid& uuid) { queue_.Add(uuid); }
  // Look at every VM of the state again. Blocks on the state.
  void EnqueueAll();

  // However often its guest has stopped lately, the VM's next start comes without a pause.
  void StartAtOnce(const Uuid& uuid) { turns_.Forget(uuid); }

 private:
  void Work();
  void Resync();
  // One look and what follows from it.
  void Reconcile(const Uuid& uuid);
  // Fills in what was seen and whether the VM is as it shall be now, or only waits for its guest.
  // Returns whether the registry could be asked whose the VM is.
  absl::StatusOr<bool> MakeItSo(const state::VmRecord& vm, Outcome& outcome);
  // Whether it is the turn of what follows `action`; else says so in `outcome`, and comes back.
  bool TakesTurn(const state::VmRecord& vm, const Action& action, const ObservedVm& observed,
                 Outcome& outcome);
  // Whether it is time to ask the guest (again).
  bool MayAsk(const state::VmRecord& vm, const Action& action);
  absl::Duration NextBackoff(const Uuid& uuid);
  void ResetBackoff(const Uuid& uuid);

  const ReconcilerOptions options_;
  VmWorker& worker_;
  hypervisor::Hypervisor& hypervisor_;
  state::StateStore& state_;
  StatusBoard& board_;
  const Clock& clock_;
  WorkQueue queue_;
  Turns turns_;

  Mutex mutex_;
  CondVar stop_changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // A new connection to libvirt asks for everything to be looked at, from the resync thread.
  bool resync_now_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<Uuid, int> failures_ ABSL_GUARDED_BY(mutex_);  // in a row
  // What each guest was last asked for (the action and its volume) and when, on the monotonic
  // clock.
  using Asked = std::map<std::pair<ActionKind, std::string>, absl::Duration>;
  std::map<Uuid, Asked> asked_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_RECONCILER_H_
