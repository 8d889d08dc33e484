#include "agent/service/storage_service.h"

#include "agent/service/paging.h"
#include "agent/service/unary.h"
#include "base/status_macros.h"

namespace hvagent::service {

grpc::ServerUnaryReactor* StorageService::ListLeftovers(grpc::CallbackServerContext* context,
                                                        const v1::ListLeftoversRequest* request,
                                                        v1::ListLeftoversResponse* response) {
  return AnswerOnPool<v1::ListLeftoversResponse>(context, pool_, response, [this, request] {
    return leftovers_.List(request->page_token(), PageSize(request->page_size()));
  });
}

grpc::ServerUnaryReactor* StorageService::FindOwners(grpc::CallbackServerContext* context,
                                                     const v1::FindOwnersRequest* request,
                                                     v1::FindOwnersResponse* response) {
  return AnswerOnPool<v1::FindOwnersResponse>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::FindOwnersResponse> {
        ASSIGN_OR_RETURN(v1::FindOwnersResponse answer, leftovers_.FindOwners(*request));
        answer.set_node(node_name_);
        return answer;
      });
}

grpc::ServerUnaryReactor* StorageService::RemoveLeftover(grpc::CallbackServerContext* context,
                                                         const v1::RemoveLeftoverRequest* request,
                                                         v1::RemoveLeftoverResponse* response) {
  return AnswerOnPool<v1::RemoveLeftoverResponse>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::RemoveLeftoverResponse> {
        RETURN_IF_ERROR(leftovers_.Remove(*request));
        return v1::RemoveLeftoverResponse();
      });
}

}  // namespace hvagent::service
