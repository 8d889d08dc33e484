// Watches over a call that may take long: a node that was frozen or cut off would otherwise leave
// it waiting for ever.
#ifndef HVAGENT_AGENTCTL_CONTACT_WATCH_H_
#define HVAGENT_AGENTCTL_CONTACT_WATCH_H_

#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "grpcpp/client_context.h"

namespace hvagent::agentctl {

class ContactWatch {
 public:
  // Calls `poll` every `interval` on a thread of its own. When no poll succeeded for `patience`,
  // cancels `call` and stops. `call` outlives this object.
  ContactWatch(grpc::ClientContext& call, absl::Duration interval, absl::Duration patience,
               std::function<absl::Status()> poll);
  // Waits for a poll that is under way.
  ~ContactWatch();
  ContactWatch(const ContactWatch&) = delete;
  ContactWatch& operator=(const ContactWatch&) = delete;

  // Whether `call` was cancelled because the contact was lost.
  bool lost() const;

 private:
  void Run(grpc::ClientContext& call, absl::Duration interval, absl::Duration patience,
           const std::function<absl::Status()>& poll);

  mutable Mutex mutex_;
  CondVar stop_changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_CONTACT_WATCH_H_
