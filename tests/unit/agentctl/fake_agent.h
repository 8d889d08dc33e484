// An agent for tests of agentctl: real gRPC on a unix socket, and answers that the test sets.
#ifndef HVAGENT_TESTS_UNIT_AGENTCTL_FAKE_AGENT_H_
#define HVAGENT_TESTS_UNIT_AGENTCTL_FAKE_AGENT_H_

#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "agentctl/cli.h"
#include "agentctl/exit_code.h"
#include "base/mutex.h"
#include "grpcpp/server.h"
#include "hvagent/v1/image_service.grpc.pb.h"
#include "hvagent/v1/node_service.grpc.pb.h"
#include "hvagent/v1/operation_service.grpc.pb.h"
#include "hvagent/v1/secret_service.grpc.pb.h"
#include "hvagent/v1/storage_service.grpc.pb.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {

// A folder that is removed with all that is in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::string& path() const { return path_; }
  // Writes `text` to the file `name` in it and returns its path.
  std::string Write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

// As the agent's service edge makes it.
grpc::Status AgentError(grpc::StatusCode code, const std::string& reason,
                        const std::string& message, const std::string& field = "");

// What gRPC makes up when a connection breaks: no details.
grpc::Status ConnectionLost();

// VMs, images and secrets are kept in maps; a hook, when set, answers instead. What was asked is
// recorded. Hooks are set before the first call; the rest is thread-safe.
class FakeAgent final {
 public:
  explicit FakeAgent(std::string name);
  ~FakeAgent();

  // Ends all calls and stops listening.
  void Stop();

  const std::string& name() const { return name_; }
  // "unix:/tmp/.../compute-1.sock"
  const std::string& address() const { return address_; }

  void AddVm(const std::string& uuid, const std::string& name, v1::PowerState power = v1::STOPPED);
  void SetCephConnected(bool connected);
  // What the cluster agreed on, as Sync tells.
  void SetClaim(const std::string& uuid);
  // "Service.Method id", in the order of arrival.
  std::vector<std::string> calls() const;
  // Those request_ids that came with `method`.
  std::vector<std::string> request_ids(const std::string& method) const;
  std::string imported(const std::string& id) const;
  v1::Image::Format import_format(const std::string& id) const;
  // Those that were no dry runs.
  std::vector<v1::SyncSecretRequest> synced() const;

  // Instead of the built-in answer; called with the number of the call, from 1.
  std::function<grpc::Status(int call, v1::Vm* vm)> on_start;
  std::function<grpc::Status(const v1::PushStateRequest&, v1::PushStateResponse&)> on_push;
  std::function<grpc::Status(const v1::SyncSecretRequest&)> on_sync;
  std::function<void(const v1::CheckSecretsRequest&, v1::CheckSecretsResponse*)> on_check;
  std::function<grpc::Status(const v1::RotateSecretRequest&, v1::RotateSecretResponse*)> on_rotate;
  std::function<grpc::Status(const v1::RetireSecretRequest&, v1::RetireSecretResponse*)> on_retire;
  // Before the VM is stopped.
  std::function<grpc::Status(grpc::ServerContext*, const v1::RestartVmRequest&)> on_restart;
  // Called after each chunk, with the number of bytes so far.
  std::function<void(grpc::ServerContext*, size_t)> on_chunk;
  std::function<grpc::Status(grpc::ServerContext*, grpc::ServerWriter<v1::Operation>*)> on_watch;

  // What StorageService knows; set before the first call.
  std::vector<v1::Leftover> leftovers;
  std::vector<std::string> owners;
  std::vector<std::string> own_watchers;
  std::map<std::string, uint32_t> guests;  // by "pool/name"

 private:
  class Nodes;
  class Secrets;
  class Images;
  class Vms;
  class Operations;
  class Storage;
  struct Services;

  grpc::Status GetNode(const v1::GetNodeRequest&, v1::Node*);
  grpc::Status SyncSecret(const v1::SyncSecretRequest&, v1::SyncSecretResponse*);
  grpc::Status ListSecrets(const v1::ListSecretsRequest&, v1::ListSecretsResponse*);
  grpc::Status CheckSecrets(const v1::CheckSecretsRequest&, v1::CheckSecretsResponse*);
  grpc::Status RotateSecret(const v1::RotateSecretRequest&, v1::RotateSecretResponse*);
  grpc::Status RetireSecret(const v1::RetireSecretRequest&, v1::RetireSecretResponse*);
  grpc::Status ImportImage(grpc::ServerContext*, grpc::ServerReader<v1::ImportImageRequest>*,
                           v1::Operation*);
  grpc::Status GetImage(const v1::GetImageRequest&, v1::Image*);
  grpc::Status ListImages(const v1::ListImagesRequest&, v1::ListImagesResponse*);
  grpc::Status DeleteImage(const v1::DeleteImageRequest&, v1::DeleteImageResponse*);
  grpc::Status PushState(const v1::PushStateRequest&, v1::PushStateResponse*);
  grpc::Status LocateVms(const v1::LocateVmsRequest&, v1::LocateVmsResponse*);
  grpc::Status GetVm(const v1::GetVmRequest&, v1::Vm*);
  grpc::Status ListVms(const v1::ListVmsRequest&, v1::ListVmsResponse*);
  grpc::Status StartVm(const v1::StartVmRequest&, v1::Vm*);
  grpc::Status RestartVm(grpc::ServerContext*, const v1::RestartVmRequest&, v1::Vm*);
  grpc::Status DeleteVm(const v1::DeleteVmRequest&, v1::DeleteVmResponse*);
  grpc::Status UndeleteVm(const v1::UndeleteVmRequest&, v1::Vm*);
  grpc::Status ListDeletedVms(v1::ListDeletedVmsResponse*);
  grpc::Status GetOperation(const v1::GetOperationRequest&, v1::Operation*);
  grpc::Status WatchOperation(grpc::ServerContext*, const v1::WatchOperationRequest*,
                              grpc::ServerWriter<v1::Operation>*);

  void Record(const std::string& method, const std::string& id, const std::string& request_id);
  v1::Vm* FindVm(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string name_;
  TempDir dir_;
  const std::string address_;
  mutable Mutex mutex_;
  bool ceph_connected_ ABSL_GUARDED_BY(mutex_) = true;
  std::string claimed_uuid_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Vm> vms_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Vm> deleted_vms_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> images_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Image::Format> import_formats_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::SyncSecretRequest> synced_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> request_ids_ ABSL_GUARDED_BY(mutex_);
  int starts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<Services> services_;
  // Last: it stops before what its handlers use goes.
  std::unique_ptr<grpc::Server> server_;
};

struct RunResult {
  ExitCode exit = ExitCode::kDone;
  std::string out;
  std::string err;
};

// Runs agentctl against these agents, in their order. `terminal`: as if on one, with `typed` as
// what the user types.
struct RunOptions {
  bool terminal = false;
  std::string typed;
};
RunResult RunAgentctl(const std::vector<const FakeAgent*>& agents,
                      std::vector<std::string> arguments, const RunOptions& options = {});

}  // namespace hvagent::agentctl

#endif  // HVAGENT_TESTS_UNIT_AGENTCTL_FAKE_AGENT_H_
