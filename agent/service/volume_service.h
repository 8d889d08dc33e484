// VolumeService: see proto/hvagent/v1/volume_service.proto.
#ifndef HVAGENT_AGENT_SERVICE_VOLUME_SERVICE_H_
#define HVAGENT_AGENT_SERVICE_VOLUME_SERVICE_H_

#include "agent/operations/image_catalog.h"
#include "agent/operations/job_runner.h"
#include "agent/operations/volume_catalog.h"
#include "agent/reconcile/volume_users.h"
#include "agent/state/request_log.h"
#include "base/worker_pool.h"
#include "hvagent/v1/volume_service.grpc.pb.h"

namespace hvagent::service {

// Thread-safe. Everything passed by reference outlives the service.
class VolumeService final : public v1::VolumeService::CallbackService {
 public:
  VolumeService(WorkerPool& pool, operations::ImageCatalog& images,
                operations::VolumeCatalog& volumes, operations::JobRunner& jobs,
                reconcile::VolumeUsers& users, state::RequestLog& requests,
                uint32_t max_clone_depth);

  grpc::ServerUnaryReactor* Create(grpc::CallbackServerContext* context,
                                   const v1::CreateVolumeRequest* request,
                                   v1::Volume* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::GetVolumeRequest* request, v1::Volume* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListVolumesRequest* request,
                                 v1::ListVolumesResponse* response) override;
  grpc::ServerUnaryReactor* Resize(grpc::CallbackServerContext* context,
                                   const v1::ResizeVolumeRequest* request,
                                   v1::Volume* response) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const v1::DeleteVolumeRequest* request,
                                   v1::DeleteVolumeResponse* response) override;
  grpc::ServerUnaryReactor* Flatten(grpc::CallbackServerContext* context,
                                    const v1::FlattenVolumeRequest* request,
                                    v1::Operation* response) override;
  grpc::ServerUnaryReactor* CreateSnapshot(grpc::CallbackServerContext* context,
                                           const v1::CreateVolumeSnapshotRequest* request,
                                           v1::VolumeSnapshot* response) override;
  grpc::ServerUnaryReactor* ListSnapshots(grpc::CallbackServerContext* context,
                                          const v1::ListVolumeSnapshotsRequest* request,
                                          v1::ListVolumeSnapshotsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSnapshot(grpc::CallbackServerContext* context,
                                           const v1::DeleteVolumeSnapshotRequest* request,
                                           v1::DeleteVolumeSnapshotResponse* response) override;

 private:
  absl::StatusOr<v1::Volume> CreateNow(const v1::CreateVolumeRequest& request);
  // Sees to it that a volume that stands on too many clones is flattened some time.
  void KeepShallow(const v1::Volume& volume);
  absl::StatusOr<v1::Volume> ResizeNow(const v1::ResizeVolumeRequest& request);
  absl::StatusOr<v1::Operation> StartFlatten(const v1::FlattenVolumeRequest& request);
  absl::StatusOr<v1::ListVolumesResponse> ListPage(const v1::ListVolumesRequest& request);
  absl::StatusOr<v1::DeleteVolumeResponse> DeleteOnce(const v1::DeleteVolumeRequest& request);
  absl::StatusOr<v1::DeleteVolumeSnapshotResponse> DeleteSnapshotOnce(
      const v1::DeleteVolumeSnapshotRequest& request);

  WorkerPool& pool_;
  operations::ImageCatalog& images_;
  operations::VolumeCatalog& volumes_;
  operations::JobRunner& jobs_;
  reconcile::VolumeUsers& users_;
  state::RequestLog& requests_;
  const uint32_t max_clone_depth_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_VOLUME_SERVICE_H_
