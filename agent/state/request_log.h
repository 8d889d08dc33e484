// Which request ids were answered: the same id with the same call again has one effect, and with
// another call is refused.
//
// Thread-safe; blocks on the state.
#ifndef HVAGENT_AGENT_STATE_REQUEST_LOG_H_
#define HVAGENT_AGENT_STATE_REQUEST_LOG_H_

#include <string>

#include "absl/status/statusor.h"
#include "agent/state/state_store.h"
#include "base/clock.h"

namespace hvagent::state {

// Names one call for good.
struct RequestKey {
  std::string id;           // empty: the call is not remembered
  std::string method;       // "VmService.Create"
  std::string body_digest;  // of the request without its id
};

class RequestLog {
 public:
  // Both outlive the log.
  RequestLog(StateStore& state, const Clock& clock) : state_(state), clock_(clock) {}

  // Whether this very call was remembered before.
  // Errors: ALREADY_EXISTS (REQUEST_ID_REUSED).
  absl::StatusOr<bool> WasAnswered(const RequestKey& key);

  // Remembers a call that has had its effect. Idempotent.
  absl::Status Remember(const RequestKey& key);

  // Makes these changes, and remembers `key` with them: all or nothing. Errors: as
  // StateStore::Commit.
  absl::Status Commit(Changes changes, const RequestKey& key);

 private:
  StateStore& state_;
  const Clock& clock_;
};

}  // namespace hvagent::state

#endif  // HVAGENT_AGENT_STATE_REQUEST_LOG_H_
