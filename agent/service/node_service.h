// NodeService: see proto/hvagent/v1/node_service.proto.
#ifndef HVAGENT_AGENT_SERVICE_NODE_SERVICE_H_
#define HVAGENT_AGENT_SERVICE_NODE_SERVICE_H_

#include <string>
#include <vector>

#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/reconcile/pushes.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/service/node_health.h"
#include "agent/service/secret_sync.h"
#include "agent/service/settle_call.h"
#include "agent/service/watch_call.h"
#include "agent/state/state_store.h"
#include "hvagent/v1/node_service.grpc.pb.h"

namespace hvagent::service {

// Thread-safe. Everything passed by reference outlives the service.
class NodeService final : public v1::NodeService::CallbackService {
 public:
  NodeService(const SettleContext& settle, std::string backend,
              const reconcile::VmWorkerOptions& options, hypervisor::Hypervisor& hypervisor,
              block::BlockStore& block, state::StateStore& state, NodeHealth& health,
              reconcile::Pushes& pushes, SecretSync& secrets, const WatchContext& watch);

  grpc::ServerUnaryReactor* GetNode(grpc::CallbackServerContext* context,
                                    const v1::GetNodeRequest* request, v1::Node* response) override;
  grpc::ServerUnaryReactor* PushState(grpc::CallbackServerContext* context,
                                      const v1::PushStateRequest* request,
                                      v1::PushStateResponse* response) override;
  grpc::ServerWriteReactor<v1::StateEvent>* WatchState(
      grpc::CallbackServerContext* context, const v1::WatchStateRequest* request) override;

 private:
  absl::StatusOr<v1::Node> Describe();
  void DescribeHost(v1::Node& node);
  void DescribeCluster(v1::Node& node);
  absl::Status CountVms(v1::Node::Capacity& capacity);

  // Stores the push; `response` is its answer but for what the wait adds. Returns what to wait for.
  // No key is left in `request`.
  absl::StatusOr<std::vector<SettleCall::Target>> Push(v1::PushStateRequest& request,
                                                       v1::PushStateResponse& response);
  absl::StatusOr<std::vector<SecretSync::Admitted>> AdmitSecrets(v1::PushStateRequest& request);

  const SettleContext settle_;
  const std::string backend_;
  const reconcile::VmWorkerOptions& options_;
  hypervisor::Hypervisor& hypervisor_;
  block::BlockStore& block_;
  state::StateStore& state_;
  NodeHealth& health_;
  reconcile::Pushes& pushes_;
  SecretSync& secrets_;
  const WatchContext watch_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_NODE_SERVICE_H_
