// A client of one agent's API, for tests: every call with a deadline, every error an absl::Status
// with the reason and the field that came over the wire.
#ifndef HVAGENT_TESTS_INTEGRATION_API_CLIENT_H_
#define HVAGENT_TESTS_INTEGRATION_API_CLIENT_H_

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agentctl/errors.h"
#include "google/protobuf/message_lite.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "hvagent/v1/image_service.grpc.pb.h"
#include "hvagent/v1/node_service.grpc.pb.h"
#include "hvagent/v1/operation_service.grpc.pb.h"
#include "hvagent/v1/secret_service.grpc.pb.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::testing {

class ApiClient {
 public:
  explicit ApiClient(std::shared_ptr<grpc::Channel> to);

  // One unary call: Call(*client.vms, &VmService::Stub::Get, request).
  template <typename Stub, typename Request, typename Response>
  static absl::StatusOr<Response> Call(Stub& stub,
                                       grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                    const Request&, Response*),
                                       const Request& request) {
    grpc::ClientContext context;
    SetDeadline(context);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return agentctl::FromGrpc(status);
    return response;
  }

  // An import of `content` in chunks of 1 MiB; only its first `send_bytes` are sent.
  absl::StatusOr<v1::Operation> Import(const v1::ImportImageRequest::Header& header,
                                       absl::string_view content,
                                       size_t send_bytes = absl::string_view::npos);

  absl::StatusOr<v1::Image> GetImage(const std::string& id);
  absl::StatusOr<std::vector<v1::Image>> ListImages();
  absl::Status DeleteImage(const std::string& id);

  absl::StatusOr<v1::Vm> GetVm(const std::string& id);
  // Applies and waits until the VM is as wished.
  absl::StatusOr<v1::Vm> ApplyVm(const v1::VmSpec& spec);
  // Deletes and waits until nothing of the VM is left.
  absl::Status DeleteVm(const std::string& id);

  // Every message of an operation's Watch, until the stream ends.
  absl::StatusOr<std::vector<v1::Operation>> WatchOperation(const std::string& id);

  // gRPC's own health service: whether the agent calls itself SERVING.
  absl::StatusOr<bool> IsServing();

  // gRPC's reflection: the answer to a ServerReflectionRequest, both as text.
  absl::StatusOr<std::string> Reflect(const std::string& question);

  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::NodeService::Stub> node;
  const std::unique_ptr<v1::SecretService::Stub> secrets;
  const std::unique_ptr<v1::ImageService::Stub> images;
  const std::unique_ptr<v1::VmService::Stub> vms;
  const std::unique_ptr<v1::OperationService::Stub> operations;

 private:
  // A unary call of a method for which there is no stub.
  absl::Status CallByName(const std::string& method, const google::protobuf::MessageLite& request,
                          google::protobuf::MessageLite* response);

  static void SetDeadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }
};

// The header of an import of `content` as `id`, with its size and digest.
v1::ImportImageRequest::Header HeaderOf(const std::string& id, absl::string_view content);

}  // namespace hvagent::testing

#endif  // HVAGENT_TESTS_INTEGRATION_API_CLIENT_H_
