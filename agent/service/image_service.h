// ImageService: see proto/hvagent/v1/image_service.proto.
#ifndef HVAGENT_AGENT_SERVICE_IMAGE_SERVICE_H_
#define HVAGENT_AGENT_SERVICE_IMAGE_SERVICE_H_

#include "absl/time/time.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/import_options.h"
#include "agent/operations/job_runner.h"
#include "agent/operations/operation_table.h"
#include "agent/state/request_log.h"
#include "base/worker_pool.h"
#include "hvagent/v1/image_service.grpc.pb.h"

namespace hvagent::service {

// Thread-safe. Everything passed by reference outlives the service.
class ImageService final : public v1::ImageService::CallbackService {
 public:
  ImageService(WorkerPool& pool, operations::ImageCatalog& catalog,
               operations::OperationTable& table, operations::JobRunner& jobs,
               state::RequestLog& requests, const operations::ImportOptions& imports,
               absl::Duration trash_delay);

  grpc::ServerReadReactor<v1::ImportImageRequest>* Import(grpc::CallbackServerContext* context,
                                                          v1::Operation* response) override;
  grpc::ServerUnaryReactor* ImportFile(grpc::CallbackServerContext* context,
                                       const v1::ImportImageFileRequest* request,
                                       v1::Operation* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::GetImageRequest* request, v1::Image* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListImagesRequest* request,
                                 v1::ListImagesResponse* response) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const v1::DeleteImageRequest* request,
                                   v1::DeleteImageResponse* response) override;
  grpc::ServerUnaryReactor* DeleteFlattened(grpc::CallbackServerContext* context,
                                            const v1::DeleteFlattenedImageRequest* request,
                                            v1::Operation* response) override;

 private:
  absl::StatusOr<v1::DeleteImageResponse> DeleteOnce(const v1::DeleteImageRequest& request);

  WorkerPool& pool_;
  operations::ImageCatalog& catalog_;
  operations::OperationTable& table_;
  operations::JobRunner& jobs_;
  state::RequestLog& requests_;
  const operations::ImportOptions& imports_;
  const absl::Duration trash_delay_;  // where a request does not say
  // Uploads that are whole and are read now: few at once, and none keeps other calls waiting.
  WorkerPool readers_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_IMAGE_SERVICE_H_
