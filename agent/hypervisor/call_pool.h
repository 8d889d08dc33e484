// Runs calls that may hang, on threads of its own, and waits for each only until a deadline.
//
// A call that does not return in time is abandoned: its caller gets an error at once, and its
// thread goes on holding whatever the call captured until it returns, if it ever does. The number
// of abandoned threads is bounded: when the bound is reached, calls fail at once.
//
// Thread-safe. A call must own all that it touches (it may outlive its caller), and must not wait
// for another call of the same pool.
#ifndef HVAGENT_AGENT_HYPERVISOR_CALL_POOL_H_
#define HVAGENT_AGENT_HYPERVISOR_CALL_POOL_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace hvagent::hypervisor {

class CallPool {
 public:
  // What became of a call.
  enum class Outcome {
    kDone,
    kAbandoned,   // it was begun and has not returned: its effect is unknown
    kNotStarted,  // no thread became free in time, and it will never run
    kAllStuck,    // every thread that may be abandoned is, and it will never run
  };

  // At most `max_running` calls run at once, apart from at most `max_abandoned` that hang.
  // `name` (15 bytes are shown) names the threads, which are started when first needed.
  CallPool(const std::string& name, size_t max_running, size_t max_abandoned);
  // Waits for the threads that do not hang. No Run may be under way.
  ~CallPool();

  CallPool(const CallPool&) = delete;
  CallPool& operator=(const CallPool&) = delete;

  // Blocks until `call` has returned, or `timeout` has passed.
  Outcome Run(absl::Duration timeout, std::function<void()> call);

  // Threads that hang now.
  size_t abandoned() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_CALL_POOL_H_
