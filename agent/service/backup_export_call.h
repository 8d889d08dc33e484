// One BackupService.Export call: a thread reads the backup and waits with each chunk until gRPC has
// taken the one before, so a slow client holds the reading back.
#ifndef HVAGENT_AGENT_SERVICE_BACKUP_EXPORT_CALL_H_
#define HVAGENT_AGENT_SERVICE_BACKUP_EXPORT_CALL_H_

#include <string>

#include "absl/status/status.h"
#include "agent/backup/backup_room.h"
#include "base/mutex.h"
#include "base/worker_pool.h"
#include "grpcpp/support/server_callback.h"
#include "hvagent/v1/backup_service.pb.h"

namespace hvagent::service {

// Deletes itself when gRPC is done with the call.
class BackupExportCall final : public grpc::ServerWriteReactor<v1::ExportBackupResponse> {
 public:
  // `room` and `streams`, whose thread the call keeps to its end, outlive the call.
  BackupExportCall(v1::ExportBackupRequest request, const backup::BackupRoom& room,
                   WorkerPool& streams);

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

  // On the thread.
  void Run();
  absl::Status Send(std::string chunk);
  // Waits until nothing is being written. Errors: CANCELLED.
  absl::Status AwaitWritten();

  const v1::ExportBackupRequest request_;
  const backup::BackupRoom& room_;
  v1::ExportBackupResponse message_;  // gRPC's while `writing_`
  Mutex mutex_;
  CondVar changed_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_BACKUP_EXPORT_CALL_H_
