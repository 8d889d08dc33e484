// Carries "look again" notices of domains or of secrets from where they arise (a libvirt callback,
// which must not block) to the one listener, on a thread of its own. Notices that wait are merged:
// an object is named once, and "look at all" swallows the rest.
//
// Thread-safe.
#ifndef HVAGENT_AGENT_HYPERVISOR_EVENT_DISPATCHER_H_
#define HVAGENT_AGENT_HYPERVISOR_EVENT_DISPATCHER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "base/uuid.h"

namespace hvagent::hypervisor {

class EventDispatcher {
 public:
  // Hypervisor's DomainListener and SecretStore's SecretListener: "look at this one again", or
  // with nullopt "look at all of them".
  using Listener = std::function<void(std::optional<Uuid>)>;

  // `thread_name` has at most the 15 characters that Linux knows.
  explicit EventDispatcher(const std::string& thread_name);
  // What waits is dropped; waits for a call of the listener that is under way.
  ~EventDispatcher();

  EventDispatcher(const EventDispatcher&) = delete;
  EventDispatcher& operator=(const EventDispatcher&) = delete;

  // Does not block. While there is no listener, all that comes is kept as one "look at all".
  void Post(std::optional<Uuid> uuid);

  // As the seams' SetListener: when it returns, the listener before is not being called and will
  // not be. Not to be called by the listener.
  void SetListener(Listener listener);

 private:
  void Run(const std::string& thread_name);
  bool HasNotice() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<Uuid> TakeNotice() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  Listener listener_ ABSL_GUARDED_BY(mutex_);
  bool calling_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t calls_ ABSL_GUARDED_BY(mutex_) = 0;  // begun so far
  bool look_at_all_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Uuid> uuids_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_EVENT_DISPATCHER_H_
