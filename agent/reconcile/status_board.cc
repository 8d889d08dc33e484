#include "agent/reconcile/status_board.h"

#include <utility>

#include "base/error.h"

namespace hvagent::reconcile {

std::optional<StatusBoard::Entry> StatusBoard::Get(const Uuid& uuid) const {
  MutexLock lock(mutex_);
  auto it = entries_.find(uuid);
  if (it == entries_.end()) return std::nullopt;
  return it->second;
}

bool Outcome::LooksLike(const Outcome& other) const {
  return generation == other.generation && converged == other.converged && error == other.error &&
         domain_state == other.domain_state && pending_restart == other.pending_restart &&
         claimed == other.claimed && waiting == other.waiting && stays_off == other.stays_off;
}

bool StatusBoard::Waiter::SettledBy(const Outcome& outcome) const {
  if (outcome.looked_at < not_before) return false;
  if (outcome.removed) return true;
  if (outcome.generation < generation) return false;
  return outcome.converged || (!outcome.error.ok() && !IsRetryable(outcome.error));
}

void StatusBoard::Publish(const Uuid& uuid, const Outcome& outcome) {
  std::vector<Done> called;
  bool changed = false;
  {
    MutexLock lock(mutex_);
    if (outcome.removed) {
      changed = entries_.erase(uuid) > 0;
    } else {
      auto [it, inserted] = entries_.try_emplace(uuid);
      const Outcome& old = it->second.outcome;
      if (inserted || old.converged != outcome.converged ||
          ErrorReason(old.error) != ErrorReason(outcome.error) || old.waiting != outcome.waiting) {
        it->second.since = clock_.Now();
      }
      changed = inserted || !old.LooksLike(outcome);
      it->second.outcome = outcome;
    }
    for (auto it = waiters_.begin(); it != waiters_.end();) {
      if (it->second.uuid == uuid && it->second.SettledBy(outcome)) {
        called.push_back(std::move(it->second.done));
        it = waiters_.erase(it);
      } else {
        ++it;
      }
    }
  }
  if (changed) feed_.Note(uuid, outcome.removed);
  const absl::Status result =
      outcome.converged || outcome.removed ? absl::OkStatus() : outcome.error;
  for (const Done& done : called) done(result);
}

StatusBoard::WaiterId StatusBoard::Wait(const Uuid& uuid, int64_t generation, Done done) {
  MutexLock lock(mutex_);
  const WaiterId id = next_waiter_++;
  waiters_.emplace(id, Waiter{uuid, generation, clock_.Monotonic(), std::move(done)});
  return id;
}

bool StatusBoard::StopWaiting(WaiterId id) {
  MutexLock lock(mutex_);
  return waiters_.erase(id) > 0;
}

}  // namespace hvagent::reconcile
