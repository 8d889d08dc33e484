#include "agent/reconcile/reconciler.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "agent/reconcile/plan.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace hvagent::reconcile {

Reconciler::Reconciler(ReconcilerOptions options, VmWorker& worker,
                       hypervisor::Hypervisor& hypervisor, state::StateStore& state,
                       StatusBoard& board, const Clock& clock)
    : options_(options),
      worker_(worker),
      hypervisor_(hypervisor),
      state_(state),
      board_(board),
      clock_(clock),
      queue_(clock) {}

Reconciler::~Reconciler() { Stop(); }

void Reconciler::Start() {
  hypervisor_.SetListener([this](std::optional<Uuid> uuid) {
    if (uuid.has_value()) {
      queue_.Add(*uuid);
      return;
    }
    MutexLock lock(mutex_);
    resync_now_ = true;
    stop_changed_.SignalAll();
  });
  threads_.emplace_back([this] { Resync(); });
  for (size_t i = 0; i < options_.max_parallel; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

void Reconciler::Stop() {
  hypervisor_.SetListener(nullptr);
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stop_changed_.SignalAll();
  }
  queue_.ShutDown();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Reconciler::Resync() {
  pthread_setname_np(pthread_self(), "resync");
  while (true) {
    EnqueueAll();
    MutexLock lock(mutex_);
    const absl::Duration next = clock_.Monotonic() + options_.resync_period;
    while (!stopping_ && !resync_now_ && clock_.Monotonic() < next) {
      stop_changed_.WaitFor(mutex_, next - clock_.Monotonic());
    }
    if (stopping_) return;
    resync_now_ = false;
  }
}

void Reconciler::EnqueueAll() {
  const auto uuids = state_.ListVmUuids();
  if (!uuids.ok()) {
    LOG(ERROR) << "resync: cannot read the node's state: " << uuids.status();
    return;
  }
  for (const Uuid& uuid : *uuids) queue_.Add(uuid);
}

void Reconciler::Work() {
  pthread_setname_np(pthread_self(), "reconcile");
  while (const std::optional<Uuid> uuid = queue_.Get()) {
    Reconcile(*uuid);
    queue_.Done(*uuid);
  }
}

void Reconciler::Reconcile(const Uuid& uuid) {
  const absl::Duration looked_at = clock_.Monotonic();
  const auto vm = state_.GetVm(uuid);
  if (!vm.ok()) {
    LOG(ERROR) << "vm " << uuid.ToString() << ": " << vm.status();
    queue_.AddAfter(uuid, NextBackoff(uuid));
    return;
  }
  if (!vm->has_value()) {
    // An event of a domain that is not ours, or a VM that is gone: who began to wait for that after
    // the look that removed it had begun still waits.
    board_.Publish(uuid, {.looked_at = looked_at, .removed = true});
    return;
  }

  const absl::StatusOr<Look> look = MakeItSo(**vm);
  Outcome outcome{.generation = (*vm)->generation, .looked_at = looked_at};
  if (!look.ok()) {
    outcome.error = look.status();
    LOG(WARNING) << "vm " << uuid.ToString() << " (" << (*vm)->spec.name()
                 << "): " << outcome.error;
    if (IsRetryable(outcome.error)) queue_.AddAfter(uuid, NextBackoff(uuid));
  } else {
    outcome.removed = look->converged && (*vm)->deleting;
    outcome.converged = look->converged && !(*vm)->deleting;
    if (look->in_doubt) {
      queue_.AddAfter(uuid, NextBackoff(uuid));
    } else {
      ResetBackoff(uuid);
      if (!look->converged) queue_.AddAfter(uuid, options_.shutdown_retry);
    }
  }
  board_.Publish(uuid, outcome);
}

absl::StatusOr<Reconciler::Look> Reconciler::MakeItSo(const state::VmRecord& vm) {
  ASSIGN_OR_RETURN(ObservedVm observed, worker_.Observe(vm));
  ASSIGN_OR_RETURN(const std::vector<Action> actions, Plan(vm, observed));
  bool waits_for_guest = false;
  for (const Action& action : actions) {
    if (action.kind == ActionKind::kShutdownDomain) {
      waits_for_guest = true;
      // Its events while it shuts down bring us here again: one press of the button is enough.
      if (!ShutdownIsDue(vm)) continue;
    }
    LOG(INFO) << "vm " << vm.uuid.ToString() << " (" << vm.spec.name()
              << "): " << ActionName(action.kind) << ": " << action.reason;
    RETURN_IF_ERROR(worker_.Run(vm, action, observed));
  }
  if (!waits_for_guest) {
    MutexLock lock(mutex_);
    asked_.erase(vm.uuid);
  }
  return Look{.converged = !waits_for_guest, .in_doubt = IsRetryable(observed.registration.status)};
}

bool Reconciler::ShutdownIsDue(const state::VmRecord& vm) {
  MutexLock lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  const auto [it, first] = asked_.try_emplace(vm.uuid, now);
  if (!first && now - it->second < options_.shutdown_retry) return false;
  it->second = now;
  return true;
}

absl::Duration Reconciler::NextBackoff(const Uuid& uuid) {
  MutexLock lock(mutex_);
  const int failures = std::min(failures_[uuid]++, 16);
  const absl::Duration full =
      std::min(options_.first_backoff * (1 << failures), options_.max_backoff);
  absl::BitGen random;
  return full * absl::Uniform(random, 0.5, 1.0);
}

void Reconciler::ResetBackoff(const Uuid& uuid) {
  MutexLock lock(mutex_);
  failures_.erase(uuid);
}

}  // namespace hvagent::reconcile
