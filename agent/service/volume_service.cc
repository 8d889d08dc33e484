#include "agent/service/volume_service.h"

#include <utility>
#include <vector>

#include "agent/operations/volume_create.h"
#include "agent/operations/volume_flatten.h"
#include "agent/operations/volume_names.h"
#include "agent/service/paging.h"
#include "agent/service/request_key.h"
#include "agent/service/unary.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace hvagent::service {

using operations::ParseId;

VolumeService::VolumeService(WorkerPool& pool, operations::ImageCatalog& images,
                             operations::VolumeCatalog& volumes, operations::JobRunner& jobs,
                             reconcile::VolumeUsers& users, state::RequestLog& requests,
                             uint32_t max_clone_depth)
    : pool_(pool),
      images_(images),
      volumes_(volumes),
      jobs_(jobs),
      users_(users),
      requests_(requests),
      max_clone_depth_(max_clone_depth) {}

grpc::ServerUnaryReactor* VolumeService::Create(grpc::CallbackServerContext* context,
                                                const v1::CreateVolumeRequest* request,
                                                v1::Volume* response) {
  return AnswerOnPool<v1::Volume>(context, pool_, response,
                                  [this, request] { return CreateNow(*request); });
}

absl::StatusOr<v1::Volume> VolumeService::CreateNow(const v1::CreateVolumeRequest& request) {
  ASSIGN_OR_RETURN(v1::Volume volume, operations::CreateVolume(request, images_, volumes_));
  if (!request.dry_run() && !volume.parent().empty()) KeepShallow(volume);
  return volume;
}

void VolumeService::KeepShallow(const v1::Volume& volume) {
  v1::FlattenVolumeRequest flatten;
  flatten.set_id(volume.id());
  flatten.set_when_idle(true);
  const auto id = Uuid::Parse(volume.id());
  const auto depth = operations::CloneDepth(volumes_.block(), volumes_.NameOf(*id));
  if (depth.ok() && *depth <= max_clone_depth_) return;
  // The volume's id is the operation's: the same Create again starts no second one.
  const absl::Status started =
      depth.ok()
          ? jobs_.Start(v1::Operation::VOLUME_FLATTEN, volume.id(), volume.id(), flatten).status()
          : depth.status();
  LOG_IF(WARNING, !started.ok()) << "volume " << volume.id() << " is made, but it is not seen to "
                                 << "that it stands on few clones: " << started;
}

grpc::ServerUnaryReactor* VolumeService::Get(grpc::CallbackServerContext* context,
                                             const v1::GetVolumeRequest* request,
                                             v1::Volume* response) {
  return AnswerOnPool<v1::Volume>(context, pool_, response,
                                  [this, request]() -> absl::StatusOr<v1::Volume> {
                                    ASSIGN_OR_RETURN(const Uuid id, ParseId("id", request->id()));
                                    return volumes_.Get(id);
                                  });
}

grpc::ServerUnaryReactor* VolumeService::List(grpc::CallbackServerContext* context,
                                              const v1::ListVolumesRequest* request,
                                              v1::ListVolumesResponse* response) {
  return AnswerOnPool<v1::ListVolumesResponse>(context, pool_, response,
                                               [this, request] { return ListPage(*request); });
}

absl::StatusOr<v1::ListVolumesResponse> VolumeService::ListPage(
    const v1::ListVolumesRequest& request) {
  const size_t size = PageSize(request.page_size());
  ASSIGN_OR_RETURN(std::vector<v1::Volume> volumes, volumes_.List(request.page_token(), size));
  v1::ListVolumesResponse page;
  for (v1::Volume& volume : volumes) *page.add_volumes() = std::move(volume);
  if (volumes.size() == size) page.set_next_page_token(page.volumes().rbegin()->id());
  return page;
}

grpc::ServerUnaryReactor* VolumeService::Resize(grpc::CallbackServerContext* context,
                                                const v1::ResizeVolumeRequest* request,
                                                v1::Volume* response) {
  return AnswerOnPool<v1::Volume>(context, pool_, response,
                                  [this, request] { return ResizeNow(*request); });
}

absl::StatusOr<v1::Volume> VolumeService::ResizeNow(const v1::ResizeVolumeRequest& request) {
  ASSIGN_OR_RETURN(const Uuid id, ParseId("id", request.id()));
  ASSIGN_OR_RETURN(v1::Volume volume, volumes_.Resize(id, request.size_gib(), request.dry_run()));
  // Also when it had the size already: a guest may not have heard.
  if (!request.dry_run()) {
    RETURN_IF_ERROR(users_.TellSize(id, volumes_.NameOf(id), Bytes(volume.size_bytes())));
  }
  return volume;
}

grpc::ServerUnaryReactor* VolumeService::Flatten(grpc::CallbackServerContext* context,
                                                 const v1::FlattenVolumeRequest* request,
                                                 v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(context, pool_, response,
                                     [this, request] { return StartFlatten(*request); });
}

absl::StatusOr<v1::Operation> VolumeService::StartFlatten(const v1::FlattenVolumeRequest& request) {
  ASSIGN_OR_RETURN(const Uuid id, ParseId("id", request.id()));
  RETURN_IF_ERROR(volumes_.Find(id).status());
  return jobs_.Start(v1::Operation::VOLUME_FLATTEN, id.ToString(), request.request_id(), request);
}

grpc::ServerUnaryReactor* VolumeService::Delete(grpc::CallbackServerContext* context,
                                                const v1::DeleteVolumeRequest* request,
                                                v1::DeleteVolumeResponse* response) {
  return AnswerOnPool<v1::DeleteVolumeResponse>(context, pool_, response,
                                                [this, request] { return DeleteOnce(*request); });
}

absl::StatusOr<v1::DeleteVolumeResponse> VolumeService::DeleteOnce(
    const v1::DeleteVolumeRequest& request) {
  ASSIGN_OR_RETURN(const Uuid id, ParseId("id", request.id()));
  if (request.dry_run()) {
    RETURN_IF_ERROR(users_.CheckNone(id));
    RETURN_IF_ERROR(volumes_.CheckDelete(id));
    return v1::DeleteVolumeResponse();
  }
  ASSIGN_OR_RETURN(const state::RequestKey key, KeyOf("VolumeService.Delete", request));
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(key));
  if (!answered) {
    RETURN_IF_ERROR(users_.CheckNone(id));
    RETURN_IF_ERROR(volumes_.Delete(id));
    RETURN_IF_ERROR(requests_.Remember(key));
  }
  return v1::DeleteVolumeResponse();
}

grpc::ServerUnaryReactor* VolumeService::CreateSnapshot(
    grpc::CallbackServerContext* context, const v1::CreateVolumeSnapshotRequest* request,
    v1::VolumeSnapshot* response) {
  return AnswerOnPool<v1::VolumeSnapshot>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::VolumeSnapshot> {
        ASSIGN_OR_RETURN(const Uuid volume, ParseId("volume_id", request->volume_id()));
        ASSIGN_OR_RETURN(const Uuid snapshot, ParseId("snapshot_id", request->snapshot_id()));
        return volumes_.CreateSnapshot(volume, snapshot);
      });
}

grpc::ServerUnaryReactor* VolumeService::ListSnapshots(
    grpc::CallbackServerContext* context, const v1::ListVolumeSnapshotsRequest* request,
    v1::ListVolumeSnapshotsResponse* response) {
  return AnswerOnPool<v1::ListVolumeSnapshotsResponse>(
      context, pool_, response,
      [this, request]() -> absl::StatusOr<v1::ListVolumeSnapshotsResponse> {
        ASSIGN_OR_RETURN(const Uuid volume, ParseId("volume_id", request->volume_id()));
        ASSIGN_OR_RETURN(std::vector<v1::VolumeSnapshot> snapshots,
                         volumes_.ListSnapshots(volume, request->with_usage()));
        v1::ListVolumeSnapshotsResponse list;
        for (v1::VolumeSnapshot& snapshot : snapshots) *list.add_snapshots() = std::move(snapshot);
        return list;
      });
}

grpc::ServerUnaryReactor* VolumeService::DeleteSnapshot(
    grpc::CallbackServerContext* context, const v1::DeleteVolumeSnapshotRequest* request,
    v1::DeleteVolumeSnapshotResponse* response) {
  return AnswerOnPool<v1::DeleteVolumeSnapshotResponse>(
      context, pool_, response, [this, request] { return DeleteSnapshotOnce(*request); });
}

absl::StatusOr<v1::DeleteVolumeSnapshotResponse> VolumeService::DeleteSnapshotOnce(
    const v1::DeleteVolumeSnapshotRequest& request) {
  ASSIGN_OR_RETURN(const Uuid volume, ParseId("volume_id", request.volume_id()));
  ASSIGN_OR_RETURN(const Uuid snapshot, ParseId("snapshot_id", request.snapshot_id()));
  if (request.dry_run()) {
    RETURN_IF_ERROR(volumes_.CheckDeleteSnapshot(volume, snapshot));
    return v1::DeleteVolumeSnapshotResponse();
  }
  ASSIGN_OR_RETURN(const state::RequestKey key, KeyOf("VolumeService.DeleteSnapshot", request));
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(key));
  if (!answered) {
    RETURN_IF_ERROR(volumes_.DeleteSnapshot(volume, snapshot));
    RETURN_IF_ERROR(requests_.Remember(key));
  }
  return v1::DeleteVolumeSnapshotResponse();
}

}  // namespace hvagent::service
