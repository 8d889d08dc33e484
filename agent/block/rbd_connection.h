// Keeps one connection to a Ceph cluster warm: makes it, proves it alive, and makes it again when
// it is lost or spoilt. All of that happens on a thread of its own. Thread-safe.
#ifndef HVAGENT_AGENT_BLOCK_RBD_CONNECTION_H_
#define HVAGENT_AGENT_BLOCK_RBD_CONNECTION_H_

#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/block/rbd_session.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace hvagent::block {

class RbdConnection {
 public:
  // Starts to connect, and does not wait for it.
  explicit RbdConnection(RbdOptions options);
  // Waits for an attempt to connect that is under way. All sessions must have been given back.
  ~RbdConnection();

  RbdConnection(const RbdConnection&) = delete;
  RbdConnection& operator=(const RbdConnection&) = delete;

  const RbdOptions& options() const { return options_; }

  // OK, or UNAVAILABLE (CEPH_UNAVAILABLE) with what went wrong last. Does not block.
  absl::Status Health() const;
  // As Health, once connected or `timeout` has passed.
  absl::Status WaitUntilHealthy(absl::Duration timeout) const;

  // Runs `body`, which returns absl::Status or absl::StatusOr<T>, on the session, and reports how
  // it ended.
  template <typename Body>
  std::invoke_result_t<Body, const RadosSession&> Call(Body body) {
    ASSIGN_OR_RETURN(const std::shared_ptr<RadosSession> session, Get());
    auto result = body(*session);
    Report(session, StatusOf(result));
    return result;
  }

  // The connection, or Health(). Does not block.
  absl::StatusOr<std::shared_ptr<RadosSession>> Get() const;

  // Tells how a call on `session` ended. If that spoilt the session, nobody is given it any more,
  // and it is closed when the last call on it has ended. If an operation timed out the session is
  // fenced too, before anybody gets the next one: what timed out is then either done or will never
  // be, and leaves no lock behind. That ends the other calls on it. Does not block.
  void Report(const std::shared_ptr<RadosSession>& session, const absl::Status& status);

 private:
  static const absl::Status& StatusOf(const absl::Status& status) { return status; }
  template <typename T>
  static const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
  }

  void Run();
  void Connect();
  // Fences on the new `session` those that need it.
  absl::Status FenceRetired(const RadosSession& session);
  // Asks the monitors over the current session, if there is one.
  void Probe();
  void CloseRetired();

  const RbdOptions options_;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::shared_ptr<RadosSession> session_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);  // OK exactly while there is a session
  // Sessions that calls may still be using. The last reference is let go here, so that no caller
  // pays for closing one.
  std::vector<std::shared_ptr<RadosSession>> retired_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> unfenced_ ABSL_GUARDED_BY(mutex_);  // their addresses
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_CONNECTION_H_
