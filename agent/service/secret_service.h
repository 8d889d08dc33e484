// SecretService: see proto/hvagent/v1/secret_service.proto.
#ifndef HVAGENT_AGENT_SERVICE_SECRET_SERVICE_H_
#define HVAGENT_AGENT_SERVICE_SECRET_SERVICE_H_

#include <functional>

#include "agent/keeper/secret_keeper.h"
#include "agent/keeper/secret_report.h"
#include "agent/keeper/secret_rollout.h"
#include "agent/service/secret_sync.h"
#include "base/worker_pool.h"
#include "hvagent/v1/secret_service.grpc.pb.h"

namespace hvagent::service {

// What the service hands its calls to; all of it outlives the service.
struct SecretParts {
  keeper::KeeperParts backends;
  SecretSync& sync;
  keeper::SecretReporter& reporter;
  keeper::SecretRollout& rollout;
  // Called when guests may start that could not, or start as somebody else.
  std::function<void()> look_at_vms;
};

// Thread-safe.
class SecretService final : public v1::SecretService::CallbackService {
 public:
  // `pool` outlives the service.
  SecretService(WorkerPool& pool, SecretParts parts) : pool_(pool), parts_(std::move(parts)) {}

  grpc::ServerUnaryReactor* Sync(grpc::CallbackServerContext* context,
                                 const v1::SyncSecretRequest* request,
                                 v1::SyncSecretResponse* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListSecretsRequest* request,
                                 v1::ListSecretsResponse* response) override;
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const v1::CheckSecretsRequest* request,
                                  v1::CheckSecretsResponse* response) override;
  grpc::ServerUnaryReactor* Rotate(grpc::CallbackServerContext* context,
                                   const v1::RotateSecretRequest* request,
                                   v1::RotateSecretResponse* response) override;
  grpc::ServerUnaryReactor* Retire(grpc::CallbackServerContext* context,
                                   const v1::RetireSecretRequest* request,
                                   v1::RetireSecretResponse* response) override;

 private:
  absl::StatusOr<v1::ListSecretsResponse> ListNow();

  WorkerPool& pool_;
  const SecretParts parts_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_SECRET_SERVICE_H_
