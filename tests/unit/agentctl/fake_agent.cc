#include "tests/unit/agentctl/fake_agent.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agentctl/run.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace hvagent::agentctl {

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "agentctl.XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}

TempDir::~TempDir() { std::filesystem::remove_all(path_); }

std::string TempDir::Write(const std::string& name, const std::string& text) const {
  const std::string path = path_ + "/" + name;
  std::ofstream(path) << text;
  return path;
}

grpc::Status AgentError(grpc::StatusCode code, const std::string& reason,
                        const std::string& message, const std::string& field) {
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("hvagent");
  details.add_details()->PackFrom(info);
  if (!field.empty()) {
    google::rpc::BadRequest bad_request;
    bad_request.add_field_violations()->set_field(field);
    details.add_details()->PackFrom(bad_request);
  }
  return grpc::Status(code, message, details.SerializeAsString());
}

grpc::Status ConnectionLost() { return {grpc::StatusCode::UNAVAILABLE, "Socket closed"}; }

class FakeAgent::Nodes final : public v1::NodeService::Service {
 public:
  explicit Nodes(FakeAgent& agent) : agent_(agent) {}

 private:
  grpc::Status GetNode(grpc::ServerContext*, const v1::GetNodeRequest* request,
                       v1::Node* response) override {
    return agent_.GetNode(*request, response);
  }
  grpc::Status PushState(grpc::ServerContext*, const v1::PushStateRequest* request,
                         v1::PushStateResponse* response) override {
    return agent_.PushState(*request, response);
  }

  FakeAgent& agent_;
};

class FakeAgent::Secrets final : public v1::SecretService::Service {
 public:
  explicit Secrets(FakeAgent& agent) : agent_(agent) {}

 private:
  grpc::Status Sync(grpc::ServerContext*, const v1::SyncSecretRequest* request,
                    v1::SyncSecretResponse* response) override {
    return agent_.SyncSecret(*request, response);
  }
  grpc::Status List(grpc::ServerContext*, const v1::ListSecretsRequest* request,
                    v1::ListSecretsResponse* response) override {
    return agent_.ListSecrets(*request, response);
  }
  grpc::Status Check(grpc::ServerContext*, const v1::CheckSecretsRequest* request,
                     v1::CheckSecretsResponse* response) override {
    return agent_.CheckSecrets(*request, response);
  }
  grpc::Status Rotate(grpc::ServerContext*, const v1::RotateSecretRequest* request,
                      v1::RotateSecretResponse* response) override {
    return agent_.RotateSecret(*request, response);
  }
  grpc::Status Retire(grpc::ServerContext*, const v1::RetireSecretRequest* request,
                      v1::RetireSecretResponse* response) override {
    return agent_.RetireSecret(*request, response);
  }

  FakeAgent& agent_;
};

class FakeAgent::Images final : public v1::ImageService::Service {
 public:
  explicit Images(FakeAgent& agent) : agent_(agent) {}

 private:
  grpc::Status Import(grpc::ServerContext* context,
                      grpc::ServerReader<v1::ImportImageRequest>* reader,
                      v1::Operation* operation) override {
    return agent_.ImportImage(context, reader, operation);
  }
  grpc::Status Get(grpc::ServerContext*, const v1::GetImageRequest* request,
                   v1::Image* response) override {
    return agent_.GetImage(*request, response);
  }
  grpc::Status List(grpc::ServerContext*, const v1::ListImagesRequest* request,
                    v1::ListImagesResponse* response) override {
    return agent_.ListImages(*request, response);
  }
  grpc::Status Delete(grpc::ServerContext*, const v1::DeleteImageRequest* request,
                      v1::DeleteImageResponse* response) override {
    return agent_.DeleteImage(*request, response);
  }

  FakeAgent& agent_;
};

class FakeAgent::Vms final : public v1::VmService::Service {
 public:
  explicit Vms(FakeAgent& agent) : agent_(agent) {}

 private:
  grpc::Status Locate(grpc::ServerContext*, const v1::LocateVmsRequest* request,
                      v1::LocateVmsResponse* response) override {
    return agent_.LocateVms(*request, response);
  }
  grpc::Status Get(grpc::ServerContext*, const v1::GetVmRequest* request,
                   v1::Vm* response) override {
    return agent_.GetVm(*request, response);
  }
  grpc::Status List(grpc::ServerContext*, const v1::ListVmsRequest* request,
                    v1::ListVmsResponse* response) override {
    return agent_.ListVms(*request, response);
  }
  grpc::Status Start(grpc::ServerContext*, const v1::StartVmRequest* request,
                     v1::Vm* response) override {
    return agent_.StartVm(*request, response);
  }
  grpc::Status Restart(grpc::ServerContext* context, const v1::RestartVmRequest* request,
                       v1::Vm* response) override {
    return agent_.RestartVm(context, *request, response);
  }
  grpc::Status Delete(grpc::ServerContext*, const v1::DeleteVmRequest* request,
                      v1::DeleteVmResponse* response) override {
    return agent_.DeleteVm(*request, response);
  }
  grpc::Status Undelete(grpc::ServerContext*, const v1::UndeleteVmRequest* request,
                        v1::Vm* response) override {
    return agent_.UndeleteVm(*request, response);
  }
  grpc::Status ListDeleted(grpc::ServerContext*, const v1::ListDeletedVmsRequest*,
                           v1::ListDeletedVmsResponse* response) override {
    return agent_.ListDeletedVms(response);
  }

  FakeAgent& agent_;
};

class FakeAgent::Operations final : public v1::OperationService::Service {
 public:
  explicit Operations(FakeAgent& agent) : agent_(agent) {}

 private:
  grpc::Status Get(grpc::ServerContext*, const v1::GetOperationRequest* request,
                   v1::Operation* response) override {
    return agent_.GetOperation(*request, response);
  }
  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchOperationRequest* request,
                     grpc::ServerWriter<v1::Operation>* writer) override {
    return agent_.WatchOperation(context, request, writer);
  }
  grpc::Status Cancel(grpc::ServerContext*, const v1::CancelOperationRequest* request,
                      v1::Operation* response) override {
    agent_.Record("OperationService.Cancel", request->id(), "");
    response->set_id(request->id());
    response->set_state(v1::Operation::RUNNING);
    return grpc::Status::OK;
  }

  FakeAgent& agent_;
};

class FakeAgent::Storage final : public v1::StorageService::Service {
 public:
  explicit Storage(FakeAgent& agent) : agent_(agent) {}

  // One leftover on each page.
  grpc::Status ListLeftovers(grpc::ServerContext*, const v1::ListLeftoversRequest* request,
                             v1::ListLeftoversResponse* response) override {
    const size_t at = request->page_token().empty() ? 0 : std::stoul(request->page_token());
    if (at < agent_.leftovers.size()) *response->add_leftovers() = agent_.leftovers[at];
    if (at + 1 < agent_.leftovers.size()) response->set_next_page_token(absl::StrCat(at + 1));
    return grpc::Status::OK;
  }
  grpc::Status FindOwners(grpc::ServerContext*, const v1::FindOwnersRequest* request,
                          v1::FindOwnersResponse* response) override {
    response->set_node(agent_.name());
    for (const std::string& owner : request->owners()) {
      if (std::count(agent_.owners.begin(), agent_.owners.end(), owner) > 0) {
        response->add_known(owner);
      }
    }
    for (const std::string& watcher : request->watchers()) {
      if (std::count(agent_.own_watchers.begin(), agent_.own_watchers.end(), watcher) > 0) {
        response->add_own_watchers(watcher);
      }
    }
    for (const v1::ImageName& image : request->images()) {
      const auto found = agent_.guests.find(absl::StrCat(image.pool(), "/", image.name()));
      response->add_guests(found == agent_.guests.end() ? 0 : found->second);
    }
    return grpc::Status::OK;
  }
  grpc::Status RemoveLeftover(grpc::ServerContext*, const v1::RemoveLeftoverRequest* request,
                              v1::RemoveLeftoverResponse*) override {
    agent_.Record(
        "StorageService.RemoveLeftover",
        absl::StrCat(request->pool(), "/", request->name(), request->snapshot().empty() ? "" : "@",
                     request->snapshot(),
                     request->trash_id().empty() ? "" : " in the trash: ", request->trash_id()),
        "");
    return grpc::Status::OK;
  }

 private:
  FakeAgent& agent_;
};

struct FakeAgent::Services {
  explicit Services(FakeAgent& agent)
      : nodes(agent),
        secrets(agent),
        images(agent),
        vms(agent),
        operations(agent),
        storage(agent) {}

  Nodes nodes;
  Secrets secrets;
  Images images;
  Vms vms;
  Operations operations;
  Storage storage;
};

FakeAgent::FakeAgent(std::string name)
    : name_(std::move(name)),
      address_(absl::StrCat("unix:", dir_.path(), "/", name_, ".sock")),
      services_(std::make_unique<Services>(*this)) {
  grpc::ServerBuilder builder;
  // A stop waits for this long at times; the default is 10 s.
  builder.SetSyncServerOption(grpc::ServerBuilder::CQ_TIMEOUT_MSEC, 50);
  builder.AddListeningPort(address_, grpc::experimental::LocalServerCredentials(UDS));
  builder.RegisterService(&services_->nodes);
  builder.RegisterService(&services_->secrets);
  builder.RegisterService(&services_->images);
  builder.RegisterService(&services_->vms);
  builder.RegisterService(&services_->operations);
  builder.RegisterService(&services_->storage);
  server_ = builder.BuildAndStart();
}

FakeAgent::~FakeAgent() { Stop(); }

void FakeAgent::Stop() {
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

void FakeAgent::AddVm(const std::string& uuid, const std::string& name, v1::PowerState power) {
  MutexLock lock(mutex_);
  v1::Vm& vm = vms_[uuid];
  vm.mutable_spec()->set_uuid(uuid);
  vm.mutable_spec()->set_name(name);
  vm.mutable_status()->set_power_state(power);
  vm.mutable_status()->set_node(name_);
}

void FakeAgent::SetCephConnected(bool connected) {
  MutexLock lock(mutex_);
  ceph_connected_ = connected;
}

void FakeAgent::SetClaim(const std::string& uuid) {
  MutexLock lock(mutex_);
  claimed_uuid_ = uuid;
}

std::vector<std::string> FakeAgent::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

std::vector<std::string> FakeAgent::request_ids(const std::string& method) const {
  MutexLock lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [name, id] : request_ids_) {
    if (name == method) ids.push_back(id);
  }
  return ids;
}

std::string FakeAgent::imported(const std::string& id) const {
  MutexLock lock(mutex_);
  const auto found = images_.find(id);
  return found == images_.end() ? "" : found->second;
}

v1::Image::Format FakeAgent::import_format(const std::string& id) const {
  MutexLock lock(mutex_);
  const auto format = import_formats_.find(id);
  return format == import_formats_.end() ? v1::Image::FORMAT_UNSPECIFIED : format->second;
}

std::vector<v1::SyncSecretRequest> FakeAgent::synced() const {
  MutexLock lock(mutex_);
  return synced_;
}

void FakeAgent::Record(const std::string& method, const std::string& id,
                       const std::string& request_id) {
  MutexLock lock(mutex_);
  calls_.push_back(absl::StrCat(method, " ", id));
  request_ids_.emplace_back(method, request_id);
}

RunResult RunAgentctl(const std::vector<const FakeAgent*>& agents,
                      std::vector<std::string> arguments, const RunOptions& options) {
  const TempDir dir;
  std::string config = "nodes:\n";
  for (const FakeAgent* agent : agents) {
    absl::StrAppend(&config, "- {name: ", agent->name(), ", address: \"", agent->address(),
                    "\"}\n");
  }
  arguments.insert(arguments.begin(), {"--config", dir.Write("agentctl.yaml", config)});
  std::istringstream in(options.typed);
  std::ostringstream out;
  std::ostringstream err;
  const Streams streams{in, out, err, options.terminal, options.terminal, options.terminal};
  RunResult result;
  result.exit = Run(arguments, streams);
  result.out = out.str();
  result.err = err.str();
  return result;
}

}  // namespace hvagent::agentctl
