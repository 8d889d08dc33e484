// agentd as an object: everything above the seams, put together, behind a gRPC server.
#ifndef HVAGENT_AGENT_SERVER_H_
#define HVAGENT_AGENT_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/backends.h"
#include "hvagent/v1/config.pb.h"

namespace hvagent {

class Server {
 public:
  // Opens the state, starts the reconciler and listens. `config` has its defaults and is checked.
  // Errors: DATA_LOSS, FAILED_PRECONDITION or UNAVAILABLE (the state), UNAVAILABLE (an address
  // that cannot be listened on).
  static absl::StatusOr<std::unique_ptr<Server>> Start(const v1::AgentConfig& config,
                                                       Backends backends);
  // Stops as with Stop.
  ~Server();

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The TCP port, also when listen_address asked for port 0; 0 without a TCP listener.
  int port() const;
  // The port of the metrics; 0 without metrics_address.
  int metrics_port() const;

  // Graceful: takes no new calls, lets those under way end for up to `grace`, then cuts them off;
  // ends the reconciliation under way. Guests are not touched. Idempotent.
  void Stop(absl::Duration grace);

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace hvagent

#endif  // HVAGENT_AGENT_SERVER_H_
