// One agent as agentctl sees it: a name, an address, and calls that end.
#ifndef HVAGENT_AGENTCTL_NODE_H_
#define HVAGENT_AGENTCTL_NODE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agentctl/interrupts.h"
#include "agentctl/tls_identity.h"
#include "base/mutex.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace hvagent::agentctl {

struct CallOptions {
  // Infinite: as long as it takes.
  absl::Duration timeout = absl::Seconds(30);
  // May be null; outlives the call.
  CancelSet* cancel = nullptr;
  // Whether a failed connection is looked into (connection_doctor.h), which takes some seconds.
  bool explain = true;
};

class Node;

struct ChangeOptions {
  absl::Duration timeout = absl::Seconds(30);
  // Cancels the call when the user wants to leave; may be null.
  Interrupts* interrupts = nullptr;
  // Whether the call answers only when what was asked for came true: ending it early leaves the
  // wish where it is, and the node is watched meanwhile.
  bool waits = false;
  // With `waits`: asked about once a second on a thread of its own, to show progress and to learn
  // that the node is alive. NOT_FOUND counts as alive. Left out: the health service is asked.
  std::function<absl::Status(Node&)> poll;
};

// Thread-safe. Connects when first used.
class Node {
 public:
  // `tls` is needed for TCP addresses; its status is what their calls answer when it has none.
  Node(std::string name, std::string address,
       std::shared_ptr<const absl::StatusOr<TlsIdentity>> tls);

  const std::string& name() const { return name_; }
  const std::string& address() const { return address_; }
  bool is_local() const;

  using Channel = std::shared_ptr<grpc::Channel>;
  using Rpc = absl::FunctionRef<grpc::Status(const Channel&, grpc::ClientContext&)>;

  // One call, once. Errors: the agent's own; when it was not reached, UNAVAILABLE with the cause,
  // or FAILED_PRECONDITION when our certificate cannot be used.
  absl::Status Call(const CallOptions& options, Rpc rpc);

  // One call that changes something there. Nothing is sent before the agent has answered a health
  // check, so that an error before that means that nothing was done. When the connection is lost
  // afterwards, the call is made again until it is answered: `rpc` must send the same request_id
  // each time. What cannot be settled so ends with exit code kInDoubt, and a `waits` that was
  // left while the wish is safe there with kGoesOnThere.
  absl::Status Change(const ChangeOptions& options, Rpc rpc);

  // As Call and Change, for unary methods: node.Read(options, &v1::VmService::Stub::Get, request).
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Read(const CallOptions& options,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request) {
    Response response;
    absl::Status status = Call(options, Unary(method, request, response));
    if (!status.ok()) return status;
    return response;
  }
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Change(const ChangeOptions& options,
                                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                               Response*),
                                  const Request& request) {
    Response response;
    absl::Status status = Change(options, Unary(method, request, response));
    if (!status.ok()) return status;
    return response;
  }

  // Whether the agent answers at all; asks the health service, whatever its verdict.
  absl::Status CheckReachable(const CallOptions& options);

  // Replaces an UNAVAILABLE that gRPC made up by its cause, where one can be found.
  absl::Status Explain(const absl::Status& status) const;

 private:
  template <typename Stub, typename Request, typename Response>
  static auto Unary(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    return [method, &request, &response](const Channel& channel, grpc::ClientContext& context) {
      Stub stub(channel);
      return (stub.*method)(&context, request, &response);
    };
  }

  absl::StatusOr<Channel> Connect();

  const std::string name_;
  const std::string address_;
  const std::shared_ptr<const absl::StatusOr<TlsIdentity>> tls_;
  Mutex mutex_;
  Channel channel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_NODE_H_
