#include "agent/service/volume_service.h"

#include <utility>
#include <vector>

#include "agent/operations/volume_create.h"
#include "agent/operations/volume_names.h"
#include "agent/service/paging.h"
#include "agent/service/request_key.h"
#include "agent/service/unary.h"
#include "base/status_macros.h"

namespace hvagent::service {

using operations::ParseId;

VolumeService::VolumeService(WorkerPool& pool, operations::ImageCatalog& images,
                             operations::VolumeCatalog& volumes, state::RequestLog& requests)
    : pool_(pool), images_(images), volumes_(volumes), requests_(requests) {}

grpc::ServerUnaryReactor* VolumeService::Create(grpc::CallbackServerContext* context,
                                                const v1::CreateVolumeRequest* request,
                                                v1::Volume* response) {
  return AnswerOnPool<v1::Volume>(context, pool_, response, [this, request] {
    return operations::CreateVolume(*request, images_, volumes_);
  });
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
  return AnswerOnPool<v1::Volume>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::Volume> {
        ASSIGN_OR_RETURN(const Uuid id, ParseId("id", request->id()));
        return volumes_.Resize(id, request->size_gib(), request->dry_run());
      });
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
  ASSIGN_OR_RETURN(const state::RequestKey key, KeyOf("VolumeService.Delete", request));
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(key));
  if (!answered) {
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
        ASSIGN_OR_RETURN(std::vector<v1::VolumeSnapshot> snapshots, volumes_.ListSnapshots(volume));
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
  ASSIGN_OR_RETURN(const state::RequestKey key, KeyOf("VolumeService.DeleteSnapshot", request));
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(key));
  if (!answered) {
    RETURN_IF_ERROR(volumes_.DeleteSnapshot(volume, snapshot));
    RETURN_IF_ERROR(requests_.Remember(key));
  }
  return v1::DeleteVolumeSnapshotResponse();
}

}  // namespace hvagent::service
