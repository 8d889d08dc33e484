#include "agent/reconcile/turns.h"

#include <algorithm>

#include "absl/random/random.h"

namespace hvagent::reconcile {
namespace {

// Guests that stop together, as their storage does, do not start together for ever.
absl::Duration PauseAfter(int taken) {
  if (taken == 0) return absl::ZeroDuration();
  const absl::Duration full =
      std::min(Turns::kFirstPause * (1 << std::min(taken - 1, 16)), Turns::kLongestPause);
  absl::BitGen random;
  return absl::Floor(full * absl::Uniform(random, 0.75, 1.0), absl::Milliseconds(1));
}

}  // namespace

std::optional<Turns::Pause> Turns::Take(const Uuid& vm) {
  MutexLock lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  State& state = states_[vm];
  if (!state.due.has_value()) {
    if (now - state.last >= kLongestPause) state.taken = 0;
    const absl::Duration pause = PauseAfter(state.taken);
    state.due = now + pause;
    state.until = clock_.Now() + pause;
  }
  if (now < *state.due) return Pause{*state.due - now, state.until};
  state.due.reset();
  state.last = now;
  ++state.taken;
  return std::nullopt;
}

void Turns::Forget(const Uuid& vm) {
  MutexLock lock(mutex_);
  states_.erase(vm);
}

}  // namespace hvagent::reconcile
