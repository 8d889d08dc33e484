// OperationService: see proto/hvagent/v1/operation_service.proto.
#ifndef HVAGENT_AGENT_SERVICE_OPERATION_SERVICE_H_
#define HVAGENT_AGENT_SERVICE_OPERATION_SERVICE_H_

#include "agent/operations/operation_table.h"
#include "base/worker_pool.h"
#include "hvagent/v1/operation_service.grpc.pb.h"

namespace hvagent::service {

// Thread-safe. Everything passed by reference outlives the service.
class OperationService final : public v1::OperationService::CallbackService {
 public:
  OperationService(WorkerPool& pool, operations::OperationTable& table);

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::GetOperationRequest* request,
                                v1::Operation* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListOperationsRequest* request,
                                 v1::ListOperationsResponse* response) override;
  grpc::ServerWriteReactor<v1::Operation>* Watch(grpc::CallbackServerContext* context,
                                                 const v1::WatchOperationRequest* request) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context,
                                   const v1::CancelOperationRequest* request,
                                   v1::Operation* response) override;

 private:
  WorkerPool& pool_;
  operations::OperationTable& table_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_OPERATION_SERVICE_H_
