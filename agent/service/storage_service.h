// StorageService: see proto/hvagent/v1/storage_service.proto.
#ifndef HVAGENT_AGENT_SERVICE_STORAGE_SERVICE_H_
#define HVAGENT_AGENT_SERVICE_STORAGE_SERVICE_H_

#include <string>
#include <utility>

#include "agent/leftovers/leftovers.h"
#include "base/worker_pool.h"
#include "hvagent/v1/storage_service.grpc.pb.h"

namespace hvagent::service {

// Thread-safe. Everything passed by reference outlives the service.
class StorageService final : public v1::StorageService::CallbackService {
 public:
  StorageService(WorkerPool& pool, leftovers::Leftovers& leftovers, std::string node_name)
      : pool_(pool), leftovers_(leftovers), node_name_(std::move(node_name)) {}

  grpc::ServerUnaryReactor* ListLeftovers(grpc::CallbackServerContext* context,
                                          const v1::ListLeftoversRequest* request,
                                          v1::ListLeftoversResponse* response) override;
  grpc::ServerUnaryReactor* FindOwners(grpc::CallbackServerContext* context,
                                       const v1::FindOwnersRequest* request,
                                       v1::FindOwnersResponse* response) override;
  grpc::ServerUnaryReactor* RemoveLeftover(grpc::CallbackServerContext* context,
                                           const v1::RemoveLeftoverRequest* request,
                                           v1::RemoveLeftoverResponse* response) override;

 private:
  WorkerPool& pool_;
  leftovers::Leftovers& leftovers_;
  const std::string node_name_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_STORAGE_SERVICE_H_
