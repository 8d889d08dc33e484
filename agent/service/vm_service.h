// VmService: authorise, convert, call, convert. See proto/hvagent/v1/vm_service.proto.
#ifndef HVAGENT_AGENT_SERVICE_VM_SERVICE_H_
#define HVAGENT_AGENT_SERVICE_VM_SERVICE_H_

#include <string>

#include "agent/hypervisor/hypervisor.h"
#include "agent/operations/job_runner.h"
#include "agent/operations/vm_snapshot.h"
#include "agent/reconcile/desired_vms.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/service/settle_call.h"
#include "agent/service/vm_view.h"
#include "agent/state/request_log.h"
#include "agent/state/state_store.h"
#include "base/worker_pool.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::service {

// Thread-safe. Everything passed by reference outlives the service.
class VmService final : public v1::VmService::CallbackService {
 public:
  VmService(const SettleContext& settle, reconcile::DesiredVms& vms, reconcile::VmWorker& worker,
            hypervisor::Hypervisor& hypervisor, state::StateStore& state,
            state::RequestLog& requests, VmView& view, operations::JobRunner& jobs,
            operations::VmSnapshot& snapshots);

  grpc::ServerUnaryReactor* Create(grpc::CallbackServerContext* context,
                                   const v1::CreateVmRequest* request, v1::Vm* response) override;
  grpc::ServerUnaryReactor* Apply(grpc::CallbackServerContext* context,
                                  const v1::ApplyVmRequest* request,
                                  v1::ApplyVmResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::GetVmRequest* request, v1::Vm* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListVmsRequest* request,
                                 v1::ListVmsResponse* response) override;
  grpc::ServerUnaryReactor* Locate(grpc::CallbackServerContext* context,
                                   const v1::LocateVmsRequest* request,
                                   v1::LocateVmsResponse* response) override;
  grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context,
                                  const v1::StartVmRequest* request, v1::Vm* response) override;
  grpc::ServerUnaryReactor* Stop(grpc::CallbackServerContext* context,
                                 const v1::StopVmRequest* request, v1::Vm* response) override;
  grpc::ServerUnaryReactor* Restart(grpc::CallbackServerContext* context,
                                    const v1::RestartVmRequest* request, v1::Vm* response) override;
  grpc::ServerUnaryReactor* Reboot(grpc::CallbackServerContext* context,
                                   const v1::RebootVmRequest* request, v1::Vm* response) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const v1::DeleteVmRequest* request,
                                   v1::DeleteVmResponse* response) override;
  grpc::ServerUnaryReactor* AttachVolume(grpc::CallbackServerContext* context,
                                         const v1::AttachVolumeRequest* request,
                                         v1::Vm* response) override;
  grpc::ServerUnaryReactor* DetachVolume(grpc::CallbackServerContext* context,
                                         const v1::DetachVolumeRequest* request,
                                         v1::Vm* response) override;
  grpc::ServerUnaryReactor* Snapshot(grpc::CallbackServerContext* context,
                                     const v1::SnapshotVmRequest* request,
                                     v1::Operation* response) override;
  grpc::ServerBidiReactor<v1::ConsoleInput, v1::ConsoleOutput>* Console(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<v1::ReadLogResponse>* ReadLog(
      grpc::CallbackServerContext* context, const v1::ReadLogRequest* request) override;
  grpc::ServerUnaryReactor* RenderXml(grpc::CallbackServerContext* context,
                                      const v1::RenderXmlRequest* request,
                                      v1::RenderXmlResponse* response) override;

 private:
  absl::StatusOr<v1::ApplyVmResponse> DryRun(const v1::ApplyVmRequest& request);
  absl::StatusOr<v1::ListVmsResponse> ListPage(const v1::ListVmsRequest& request);
  absl::StatusOr<v1::LocateVmsResponse> LocateAll(const v1::LocateVmsRequest& request);
  absl::StatusOr<v1::Vm> RebootNow(const v1::RebootVmRequest& request);
  // Fills `shown` with the VM as it is when the call is answered.
  absl::Status Show(const std::string& id, v1::Vm* shown);

  const SettleContext settle_;
  reconcile::DesiredVms& vms_;
  reconcile::VmWorker& worker_;
  hypervisor::Hypervisor& hypervisor_;
  state::StateStore& state_;
  state::RequestLog& requests_;
  VmView& view_;
  operations::JobRunner& jobs_;
  operations::VmSnapshot& snapshots_;
  WorkerPool streams_;  // consoles, and logs that are read
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_VM_SERVICE_H_
