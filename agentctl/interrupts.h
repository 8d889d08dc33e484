// Ctrl-C while a call is under way: the first one cancels the calls, so that the command can say
// what became of the work; a second one leaves at once.
#ifndef HVAGENT_AGENTCTL_INTERRUPTS_H_
#define HVAGENT_AGENTCTL_INTERRUPTS_H_

#include <csignal>
#include <memory>
#include <set>
#include <thread>

#include "base/mutex.h"
#include "grpcpp/client_context.h"

namespace hvagent::agentctl {

// Calls that are cancelled together. Thread-safe. A call that joins after CancelAll is cancelled
// as it joins.
class CancelSet {
 public:
  void Add(grpc::ClientContext& call);
  // Must be called before `call` is destroyed.
  void Remove(grpc::ClientContext& call);
  void CancelAll();

 private:
  Mutex mutex_;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

// Keeps a call in a set while it lives. A null set is allowed.
class CancelGuard {
 public:
  CancelGuard(CancelSet* set, grpc::ClientContext& call) : set_(set), call_(call) {
    if (set_ != nullptr) set_->Add(call_);
  }
  ~CancelGuard() {
    if (set_ != nullptr) set_->Remove(call_);
  }
  CancelGuard(const CancelGuard&) = delete;
  CancelGuard& operator=(const CancelGuard&) = delete;

 private:
  CancelSet* const set_;
  grpc::ClientContext& call_;
};

// Takes SIGINT over, and gives it back when destroyed. Commands make one just before they change
// something: a command that only reads dies of Ctrl-C as programs do. At most one at a time.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Cancelled by the first SIGINT.
  CancelSet& calls() { return calls_; }
  bool interrupted() const;
  // Readable from the first SIGINT on, for poll(2) beside other descriptors.
  int fd() const { return fd_; }

 private:
  CancelSet calls_;
  int fd_;
  struct sigaction previous_ {};
  // A handler may not cancel calls; this thread does.
  std::thread watcher_;
};

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_INTERRUPTS_H_
