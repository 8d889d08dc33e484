#include "agent/service/image_service.h"

#include <utility>
#include <vector>

#include "agent/operations/image_delete.h"
#include "agent/operations/image_file_import.h"
#include "agent/service/import_call.h"
#include "agent/service/paging.h"
#include "agent/service/request_key.h"
#include "agent/service/unary.h"
#include "base/status_macros.h"

namespace hvagent::service {

namespace {

constexpr size_t kMaxReaders = 4;
constexpr size_t kMaxWaitingToBeRead = 64;

}  // namespace

ImageService::ImageService(WorkerPool& pool, operations::ImageCatalog& catalog,
                           operations::OperationTable& table, operations::JobRunner& jobs,
                           state::RequestLog& requests, const operations::ImportOptions& imports,
                           absl::Duration trash_delay)
    : pool_(pool),
      catalog_(catalog),
      table_(table),
      jobs_(jobs),
      requests_(requests),
      imports_(imports),
      trash_delay_(trash_delay),
      readers_("imports", kMaxReaders, kMaxWaitingToBeRead) {}

grpc::ServerReadReactor<v1::ImportImageRequest>* ImageService::Import(
    grpc::CallbackServerContext* context, v1::Operation* response) {
  return new ImportCall(context, response, pool_, readers_, imports_, catalog_, table_);
}

grpc::ServerUnaryReactor* ImageService::ImportFile(grpc::CallbackServerContext* context,
                                                   const v1::ImportImageFileRequest* request,
                                                   v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::Operation> {
        RETURN_IF_ERROR(operations::CheckImportFile(*request));
        return jobs_.Start(v1::Operation::IMAGE_IMPORT, request->id(), request->request_id(),
                           *request);
      });
}

grpc::ServerUnaryReactor* ImageService::Get(grpc::CallbackServerContext* context,
                                            const v1::GetImageRequest* request,
                                            v1::Image* response) {
  return AnswerOnPool<v1::Image>(context, pool_, response,
                                 [this, request] { return catalog_.Get(request->id()); });
}

grpc::ServerUnaryReactor* ImageService::List(grpc::CallbackServerContext* context,
                                             const v1::ListImagesRequest* request,
                                             v1::ListImagesResponse* response) {
  return AnswerOnPool<v1::ListImagesResponse>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::ListImagesResponse> {
        const size_t size = PageSize(request->page_size());
        ASSIGN_OR_RETURN(std::vector<v1::Image> images, catalog_.List(request->page_token(), size));
        v1::ListImagesResponse page;
        for (v1::Image& image : images) *page.add_images() = std::move(image);
        if (images.size() == size) page.set_next_page_token(page.images().rbegin()->id());
        return page;
      });
}

grpc::ServerUnaryReactor* ImageService::Delete(grpc::CallbackServerContext* context,
                                               const v1::DeleteImageRequest* request,
                                               v1::DeleteImageResponse* response) {
  return AnswerOnPool<v1::DeleteImageResponse>(context, pool_, response,
                                               [this, request] { return DeleteOnce(*request); });
}

grpc::ServerUnaryReactor* ImageService::DeleteFlattened(
    grpc::CallbackServerContext* context, const v1::DeleteFlattenedImageRequest* request,
    v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::Operation> {
        // The same request again is answered with its operation, also when the image is gone.
        const auto before = table_.Get(request->request_id());
        if (!before.ok()) RETURN_IF_ERROR(catalog_.CheckRemovable(request->id()));
        return jobs_.Start(v1::Operation::IMAGE_DELETE, request->id(), request->request_id(),
                           *request);
      });
}

absl::StatusOr<v1::DeleteImageResponse> ImageService::DeleteOnce(
    const v1::DeleteImageRequest& request) {
  if (request.dry_run()) {
    RETURN_IF_ERROR(request.to_trash() ? catalog_.CheckRemovable(request.id())
                                       : catalog_.CheckDelete(request.id()));
    return v1::DeleteImageResponse();
  }
  ASSIGN_OR_RETURN(const state::RequestKey key, KeyOf("ImageService.Delete", request));
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(key));
  if (!answered) {
    const absl::Duration delay =
        request.has_trash_delay_s() ? absl::Seconds(request.trash_delay_s()) : trash_delay_;
    RETURN_IF_ERROR(request.to_trash() ? operations::MoveImageToTrash(catalog_, request.id(), delay)
                                       : catalog_.Delete(request.id()));
    RETURN_IF_ERROR(requests_.Remember(key));
  }
  return v1::DeleteImageResponse();
}

}  // namespace hvagent::service
