// SecretService: see proto/hvagent/v1/secret_service.proto. The pushed key is moved out of the
// request into a type that cannot be printed, and the request's field is wiped.
#ifndef HVAGENT_AGENT_SERVICE_SECRET_SERVICE_H_
#define HVAGENT_AGENT_SERVICE_SECRET_SERVICE_H_

#include "agent/block/block_store.h"
#include "agent/reconcile/reconciler.h"
#include "agent/state/state_store.h"
#include "base/mutex.h"
#include "base/worker_pool.h"
#include "hvagent/v1/secret_service.grpc.pb.h"
#include "secrets/secret_store.h"

namespace hvagent::service {

// Thread-safe. Everything passed by reference outlives the service.
class SecretService final : public v1::SecretService::CallbackService {
 public:
  SecretService(WorkerPool& pool, secrets::SecretStore& store, block::BlockStore& block,
                state::StateStore& state, reconcile::Reconciler& reconciler);

  grpc::ServerUnaryReactor* Sync(grpc::CallbackServerContext* context,
                                 const v1::SyncSecretRequest* request,
                                 v1::SyncSecretResponse* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListSecretsRequest* request,
                                 v1::ListSecretsResponse* response) override;

 private:
  absl::StatusOr<v1::SyncSecretResponse> SyncNow(const v1::SyncSecretRequest& request);
  absl::StatusOr<secrets::SecretRecord> RecordFor(const v1::SyncSecretRequest& request);
  absl::StatusOr<v1::ListSecretsResponse> ListNow();

  WorkerPool& pool_;
  secrets::SecretStore& store_;
  block::BlockStore& block_;
  state::StateStore& state_;
  reconcile::Reconciler& reconciler_;
  Mutex mutex_;  // one sync at a time on a node: plan and act are one step
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_SECRET_SERVICE_H_
