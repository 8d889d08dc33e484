#include "agent/service/backup_service.h"

#include <utility>
#include <vector>

#include "agent/backup/backup_create.h"
#include "agent/backup/backup_delete.h"
#include "agent/backup/backup_names.h"
#include "agent/backup/backup_restore.h"
#include "agent/operations/volume_names.h"
#include "agent/service/backup_export_call.h"
#include "agent/service/backup_import_call.h"
#include "agent/service/paging.h"
#include "agent/service/unary.h"
#include "base/status_macros.h"

namespace hvagent::service {
namespace {

using operations::ParseId;

constexpr size_t kMaxStreams = 4;
constexpr size_t kMaxWaitingStreams = 16;

// As the pool's records have it: in lower case.
absl::StatusOr<std::string> BackupId(const std::string& text) {
  ASSIGN_OR_RETURN(const Uuid id, ParseId("id", text));
  return id.ToString();
}

}  // namespace

BackupService::BackupService(WorkerPool& pool, backup::BackupRoom& room,
                             operations::OperationTable& operations, operations::JobRunner& jobs)
    : pool_(pool),
      room_(room),
      operations_(operations),
      jobs_(jobs),
      streams_("backup-streams", kMaxStreams, kMaxWaitingStreams) {}

template <typename Request>
absl::StatusOr<v1::Operation> BackupService::Start(v1::Operation::Kind kind,
                                                   const std::string& target,
                                                   const Request& request,
                                                   const std::function<absl::Status()>& check) {
  const auto id = Uuid::Parse(request.request_id());
  if (!id.ok() || !operations_.Get(id->ToString()).ok()) RETURN_IF_ERROR(check());
  return jobs_.Start(kind, target, request.request_id(), request);
}

grpc::ServerUnaryReactor* BackupService::Create(grpc::CallbackServerContext* context,
                                                const v1::CreateBackupRequest* request,
                                                v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::Operation> {
        ASSIGN_OR_RETURN(const block::ImageName source,
                         backup::ImageOf(request->source(), room_.pools, "source"));
        return Start(v1::Operation::BACKUP_CREATE, source.ToString(), *request,
                     [&] { return backup::PlanBackup(room_, *request).status(); });
      });
}

grpc::ServerUnaryReactor* BackupService::Plan(grpc::CallbackServerContext* context,
                                              const v1::CreateBackupRequest* request,
                                              v1::Backup* response) {
  return AnswerOnPool<v1::Backup>(context, pool_, response,
                                  [this, request] { return backup::PlanBackup(room_, *request); });
}

grpc::ServerUnaryReactor* BackupService::Get(grpc::CallbackServerContext* context,
                                             const v1::GetBackupRequest* request,
                                             v1::Backup* response) {
  return AnswerOnPool<v1::Backup>(context, pool_, response,
                                  [this, request]() -> absl::StatusOr<v1::Backup> {
                                    ASSIGN_OR_RETURN(const std::string id, BackupId(request->id()));
                                    return room_.catalog.Get(id);
                                  });
}

grpc::ServerUnaryReactor* BackupService::List(grpc::CallbackServerContext* context,
                                              const v1::ListBackupsRequest* request,
                                              v1::ListBackupsResponse* response) {
  return AnswerOnPool<v1::ListBackupsResponse>(context, pool_, response,
                                               [this, request] { return ListPage(*request); });
}

absl::StatusOr<v1::ListBackupsResponse> BackupService::ListPage(
    const v1::ListBackupsRequest& request) {
  std::string source;
  if (request.has_source()) {
    ASSIGN_OR_RETURN(const block::ImageName image,
                     backup::ImageOf(request.source(), room_.pools, "source"));
    source = image.ToString();
  }
  const size_t size = PageSize(request.page_size());
  ASSIGN_OR_RETURN(std::vector<v1::Backup> backups,
                   room_.catalog.List(source, request.page_token(), size));
  v1::ListBackupsResponse page;
  if (backups.size() == size) {
    page.set_next_page_token(backup::BackupCatalog::IndexKey(backups.back()));
  }
  for (v1::Backup& one : backups) *page.add_backups() = std::move(one);
  return page;
}

grpc::ServerUnaryReactor* BackupService::Verify(grpc::CallbackServerContext* context,
                                                const v1::VerifyBackupRequest* request,
                                                v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::Operation> {
        v1::VerifyBackupRequest wish = *request;
        ASSIGN_OR_RETURN(*wish.mutable_id(), BackupId(request->id()));
        return Start(v1::Operation::BACKUP_VERIFY, wish.id(), wish,
                     [&] { return room_.catalog.Get(wish.id()).status(); });
      });
}

grpc::ServerUnaryReactor* BackupService::Restore(grpc::CallbackServerContext* context,
                                                 const v1::RestoreBackupRequest* request,
                                                 v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::Operation> {
        v1::RestoreBackupRequest wish = *request;
        ASSIGN_OR_RETURN(*wish.mutable_id(), BackupId(request->id()));
        return Start(v1::Operation::BACKUP_RESTORE, wish.id(), wish,
                     [&] { return backup::CheckRestore(room_, wish); });
      });
}

grpc::ServerUnaryReactor* BackupService::Delete(grpc::CallbackServerContext* context,
                                                const v1::DeleteBackupsRequest* request,
                                                v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::Operation> {
        v1::DeleteBackupsRequest wish = *request;
        std::string target;
        if (request->has_prune()) {
          ASSIGN_OR_RETURN(const block::ImageName source,
                           backup::ImageOf(request->prune().source(), room_.pools, "prune.source"));
          target = source.ToString();
        } else {
          ASSIGN_OR_RETURN(target, BackupId(request->id()));
          wish.set_id(target);
        }
        return Start(v1::Operation::BACKUP_DELETE, target, wish,
                     [&] { return backup::ChooseBackups(room_, wish).status(); });
      });
}

grpc::ServerWriteReactor<v1::ExportBackupResponse>* BackupService::Export(
    grpc::CallbackServerContext* /*context*/, const v1::ExportBackupRequest* request) {
  return new BackupExportCall(*request, room_, streams_);
}

grpc::ServerReadReactor<v1::ImportBackupRequest>* BackupService::Import(
    grpc::CallbackServerContext* context, v1::Operation* response) {
  return new BackupImportCall(context, response, room_, operations_, streams_);
}

}  // namespace hvagent::service
