// The same job for many nodes or objects at once, with bounded parallelism.
#ifndef HVAGENT_AGENTCTL_FAN_OUT_H_
#define HVAGENT_AGENTCTL_FAN_OUT_H_

#include <algorithm>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/worker_pool.h"

namespace hvagent::agentctl {

inline constexpr size_t kMaxParallel = 64;

// fn(target) for each of `targets`, at most `max_parallel` at once; the results are in the order
// of the targets. Blocks until all have ended; each job bounds its own time.
template <typename Target, typename Fn>
auto FanOut(const std::vector<Target>& targets, Fn fn, size_t max_parallel = kMaxParallel) {
  using Result = std::invoke_result_t<Fn&, const Target&>;
  std::vector<std::optional<Result>> slots(targets.size());
  {
    WorkerPool pool("fan-out", std::min(std::max<size_t>(targets.size(), 1), max_parallel),
                    targets.size());
    for (size_t i = 0; i < targets.size(); ++i) {
      std::function<void()> job = [&, i] { slots[i].emplace(fn(targets[i])); };
      // The queue holds them all, so that a refusal cannot happen; were it to, the job still runs.
      if (!pool.Submit(job).ok()) job();
    }
  }
  std::vector<Result> results;
  results.reserve(slots.size());
  for (auto& slot : slots) results.push_back(*std::move(slot));
  return results;
}

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_FAN_OUT_H_
