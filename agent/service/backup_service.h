// BackupService: see proto/hvagent/v1/backup_service.proto.
#ifndef HVAGENT_AGENT_SERVICE_BACKUP_SERVICE_H_
#define HVAGENT_AGENT_SERVICE_BACKUP_SERVICE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/backup/backup_room.h"
#include "agent/operations/job_runner.h"
#include "agent/operations/operation_table.h"
#include "base/worker_pool.h"
#include "hvagent/v1/backup_service.grpc.pb.h"

namespace hvagent::service {

// Thread-safe. Everything passed by reference outlives the service.
class BackupService final : public v1::BackupService::CallbackService {
 public:
  BackupService(WorkerPool& pool, backup::BackupRoom& room, operations::OperationTable& operations,
                operations::JobRunner& jobs);

  grpc::ServerUnaryReactor* Create(grpc::CallbackServerContext* context,
                                   const v1::CreateBackupRequest* request,
                                   v1::Operation* response) override;
  grpc::ServerUnaryReactor* Plan(grpc::CallbackServerContext* context,
                                 const v1::CreateBackupRequest* request,
                                 v1::Backup* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::GetBackupRequest* request, v1::Backup* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListBackupsRequest* request,
                                 v1::ListBackupsResponse* response) override;
  grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                   const v1::VerifyBackupRequest* request,
                                   v1::Operation* response) override;
  grpc::ServerUnaryReactor* Restore(grpc::CallbackServerContext* context,
                                    const v1::RestoreBackupRequest* request,
                                    v1::Operation* response) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const v1::DeleteBackupsRequest* request,
                                   v1::Operation* response) override;
  grpc::ServerWriteReactor<v1::ExportBackupResponse>* Export(
      grpc::CallbackServerContext* context, const v1::ExportBackupRequest* request) override;
  grpc::ServerReadReactor<v1::ImportBackupRequest>* Import(grpc::CallbackServerContext* context,
                                                           v1::Operation* response) override;

 private:
  // Starts a job, unless `check` says why not. The same request again is not checked: what it asked
  // for may have been done meanwhile.
  template <typename Request>
  absl::StatusOr<v1::Operation> Start(v1::Operation::Kind kind, const std::string& target,
                                      const Request& request,
                                      const std::function<absl::Status()>& check);
  absl::StatusOr<v1::ListBackupsResponse> ListPage(const v1::ListBackupsRequest& request);

  WorkerPool& pool_;
  backup::BackupRoom& room_;
  operations::OperationTable& operations_;
  operations::JobRunner& jobs_;
  // Exports and imports: few at once, since each keeps a thread and some memory to its end.
  WorkerPool streams_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_BACKUP_SERVICE_H_
