#include "tests/integration/api_client.h"

#include <algorithm>
#include <future>
#include <utility>

#include "absl/memory/memory.h"
#include "agent/operations/sha256.h"
#include "base/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/wrappers.pb.h"
#include "grpcpp/generic/generic_stub.h"

namespace hvagent::testing {
namespace {

using google::protobuf::MessageLite;

constexpr size_t kChunkBytes = 1 << 20;

}  // namespace

ApiClient::ApiClient(std::shared_ptr<grpc::Channel> to)
    : channel(std::move(to)),
      node(v1::NodeService::NewStub(channel)),
      secrets(v1::SecretService::NewStub(channel)),
      images(v1::ImageService::NewStub(channel)),
      vms(v1::VmService::NewStub(channel)),
      operations(v1::OperationService::NewStub(channel)) {}

absl::StatusOr<v1::Operation> ApiClient::Import(const v1::ImportImageRequest::Header& header,
                                                absl::string_view content, size_t send_bytes) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::Operation operation;
  const auto writer = images->Import(&context, &operation);
  v1::ImportImageRequest message;
  *message.mutable_header() = header;
  bool writable = writer->Write(message);
  content = content.substr(0, send_bytes);
  for (size_t at = 0; writable && at < content.size(); at += kChunkBytes) {
    message.set_chunk(std::string(content.substr(at, kChunkBytes)));
    writable = writer->Write(message);
  }
  if (writable && header.size_bytes() == 0) {
    message.set_total_bytes(content.size());
    writer->Write(message);
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return agentctl::FromGrpc(status);
  return operation;
}

absl::StatusOr<v1::Image> ApiClient::GetImage(const std::string& id) {
  v1::GetImageRequest request;
  request.set_id(id);
  return Call(*images, &v1::ImageService::Stub::Get, request);
}

absl::StatusOr<std::vector<v1::Image>> ApiClient::ListImages() {
  std::vector<v1::Image> all;
  v1::ListImagesRequest request;
  do {
    ASSIGN_OR_RETURN(const v1::ListImagesResponse page,
                     Call(*images, &v1::ImageService::Stub::List, request));
    all.insert(all.end(), page.images().begin(), page.images().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::Status ApiClient::DeleteImage(const std::string& id) {
  v1::DeleteImageRequest request;
  request.set_id(id);
  return Call(*images, &v1::ImageService::Stub::Delete, request).status();
}

absl::StatusOr<v1::Vm> ApiClient::GetVm(const std::string& id) {
  v1::GetVmRequest request;
  request.set_id(id);
  return Call(*vms, &v1::VmService::Stub::Get, request);
}

absl::StatusOr<v1::Vm> ApiClient::ApplyVm(const v1::VmSpec& spec) {
  v1::ApplyVmRequest request;
  *request.mutable_spec() = spec;
  request.set_wait(true);
  ASSIGN_OR_RETURN(const v1::ApplyVmResponse response,
                   Call(*vms, &v1::VmService::Stub::Apply, request));
  return response.vm();
}

absl::Status ApiClient::DeleteVm(const std::string& id) {
  v1::DeleteVmRequest request;
  request.set_id(id);
  request.set_wait(true);
  request.set_disks(v1::DeleteVmRequest::REMOVE);  // nothing is left for the next test
  return Call(*vms, &v1::VmService::Stub::Delete, request).status();
}

absl::StatusOr<std::vector<v1::Operation>> ApiClient::WatchOperation(const std::string& id) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchOperationRequest request;
  request.set_id(id);
  const auto reader = operations->Watch(&context, request);
  std::vector<v1::Operation> seen;
  for (v1::Operation operation; reader->Read(&operation);) seen.push_back(operation);
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return agentctl::FromGrpc(status);
  return seen;
}

absl::Status ApiClient::CallByName(const std::string& method, const MessageLite& request,
                                   MessageLite* response) {
  grpc::TemplatedGenericStub<MessageLite, MessageLite> stub(channel);
  grpc::ClientContext context;
  SetDeadline(context);
  std::promise<grpc::Status> answered;
  stub.UnaryCall(&context, method, grpc::StubOptions(), &request, response,
                 [&](grpc::Status status) { answered.set_value(std::move(status)); });
  return agentctl::FromGrpc(answered.get_future().get());
}

// grpc.health.v1's messages have one field each, a string and an enum, as these wrappers do.
absl::StatusOr<bool> ApiClient::IsServing() {
  constexpr int kServing = 1;
  google::protobuf::Int32Value answer;
  RETURN_IF_ERROR(
      CallByName("/grpc.health.v1.Health/Check", google::protobuf::StringValue(), &answer));
  return answer.value() == kServing;
}

// A stream of one question and one answer is a unary call on the wire. Debian has no header for the
// messages, but their descriptors come with the agent's library.
absl::StatusOr<std::string> ApiClient::Reflect(const std::string& question) {
  const auto new_message = [](const std::string& name) {
    return absl::WrapUnique(
        google::protobuf::MessageFactory::generated_factory()
            ->GetPrototype(
                google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
                    "grpc.reflection.v1alpha." + name))
            ->New());
  };
  const auto request = new_message("ServerReflectionRequest");
  const auto response = new_message("ServerReflectionResponse");
  if (!google::protobuf::TextFormat::ParseFromString(question, request.get())) {
    return absl::InvalidArgumentError(question);
  }
  RETURN_IF_ERROR(CallByName("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                             *request, response.get()));
  return response->DebugString();
}

v1::ImportImageRequest::Header HeaderOf(const std::string& id, absl::string_view content) {
  operations::Sha256 hash;
  hash.Update(content);
  v1::ImportImageRequest::Header header;
  header.set_id(id);
  header.set_size_bytes(content.size());
  header.set_sha256(hash.HexDigest());
  return header;
}

}  // namespace hvagent::testing
