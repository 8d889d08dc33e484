#include "agent/reconcile/reconciler.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "agent/reconcile/plan.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace hvagent::reconcile {
namespace {

bool IsAskedOfTheGuest(ActionKind kind) {
  return kind == ActionKind::kShutdownDomain || kind == ActionKind::kDetachVolume;
}

}  // namespace

Reconciler::Reconciler(ReconcilerOptions options, VmWorker& worker,
                       hypervisor::Hypervisor& hypervisor, state::StateStore& state,
                       StatusBoard& board, const Clock& clock)
    : options_(options),
      worker_(worker),
      hypervisor_(hypervisor),
      state_(state),
      board_(board),
      clock_(clock),
      queue_(clock),
      turns_(clock) {}

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

  Outcome outcome{
      .generation = (*vm)->generation, .looked_at = looked_at, .claimed = (*vm)->claimed};
  const absl::StatusOr<bool> owner_known = MakeItSo(**vm, outcome);
  outcome.error = owner_known.status();
  if (!outcome.error.ok()) {
    LOG(WARNING) << "vm " << uuid.ToString() << " (" << (*vm)->spec.name()
                 << "): " << outcome.error;
    if (IsRetryable(outcome.error)) queue_.AddAfter(uuid, NextBackoff(uuid));
  } else {
    outcome.removed = outcome.converged && (*vm)->deleting;
    if (outcome.removed) turns_.Forget(uuid);
    outcome.converged = outcome.converged && !(*vm)->deleting;
    if (!*owner_known) {
      queue_.AddAfter(uuid, NextBackoff(uuid));
    } else {
      ResetBackoff(uuid);
      const bool asked = !outcome.converged && !outcome.removed && !outcome.waiting.has_value();
      if (asked) queue_.AddAfter(uuid, options_.ask_again);
    }
  }
  board_.Publish(uuid, outcome);
}

absl::StatusOr<bool> Reconciler::MakeItSo(const state::VmRecord& vm, Outcome& outcome) {
  ASSIGN_OR_RETURN(ObservedVm observed, worker_.Observe(vm));
  if (observed.domain.has_value()) outcome.domain_state = observed.domain->state;
  // Somebody may have started it by hand.
  outcome.stays_off = vm.stays_off && outcome.domain_state != hypervisor::DomainState::kRunning &&
                      outcome.domain_state != hypervisor::DomainState::kPaused;
  if (observed.older.has_value() && outcome.domain_state == hypervisor::DomainState::kRunning) {
    outcome.pending_restart = CompareWithGuest(*observed.older, vm.spec).pending_restart;
  }
  ASSIGN_OR_RETURN(const std::vector<Action> actions, Plan(vm, observed));
  bool waits_for_guest = false;
  for (const Action& action : actions) {
    if (action.kind == ActionKind::kAwaitTurn && !TakesTurn(vm, action, observed, outcome)) {
      return observed.registration.status.ok();
    }
    if (IsAskedOfTheGuest(action.kind)) {
      waits_for_guest = true;
      // Its events meanwhile bring us here again: asking once is enough.
      if (!MayAsk(vm, action)) continue;
    }
    LOG(INFO) << "vm " << vm.uuid.ToString() << " (" << vm.spec.name()
              << "): " << ActionName(action.kind) << ": " << action.reason;
    RETURN_IF_ERROR(worker_.Run(vm, action, observed));
    if (action.kind == ActionKind::kLeaveOff) outcome.stays_off = true;
  }
  outcome.converged = !waits_for_guest;
  if (!waits_for_guest) {
    MutexLock lock(mutex_);
    asked_.erase(vm.uuid);
  }
  return observed.registration.status.ok();
}

bool Reconciler::TakesTurn(const state::VmRecord& vm, const Action& action,
                           const ObservedVm& observed, Outcome& outcome) {
  const std::optional<Turns::Pause> pause = turns_.Take(vm.uuid);
  if (!pause.has_value()) return true;
  const bool is_paused = observed.domain->state == hypervisor::DomainState::kPaused;
  outcome.waiting = {
      .reason = is_paused ? "GUEST_IO_ERROR" : "RESTART_BACKOFF",
      .message = absl::StrCat(
          action.reason, is_paused ? ": it is resumed at " : ": it is started again at ",
          absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", pause->until, absl::UTCTimeZone()))};
  queue_.AddAfter(vm.uuid, pause->left);
  return false;
}

bool Reconciler::MayAsk(const state::VmRecord& vm, const Action& action) {
  MutexLock lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  const auto [it, first] =
      asked_[vm.uuid].try_emplace(std::make_pair(action.kind, action.volume_id), now);
  if (!first && now - it->second < options_.ask_again) return false;
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
