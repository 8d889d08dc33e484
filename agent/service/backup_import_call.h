// One BackupService.Import call: a thread reads the stream from its header to its end, one message
// at a time, and writes it to Ceph meanwhile, so a fast client is held back by gRPC's flow control.
#ifndef HVAGENT_AGENT_SERVICE_BACKUP_IMPORT_CALL_H_
#define HVAGENT_AGENT_SERVICE_BACKUP_IMPORT_CALL_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/backup/backup_room.h"
#include "agent/operations/operation_table.h"
#include "base/mutex.h"
#include "base/worker_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "hvagent/v1/backup_service.pb.h"
#include "hvagent/v1/operation.pb.h"

namespace hvagent::service {

// Deletes itself when gRPC is done with the call.
class BackupImportCall final : public grpc::ServerReadReactor<v1::ImportBackupRequest> {
 public:
  // Everything outlives the call, which keeps a thread of `streams` from its header to its end.
  BackupImportCall(grpc::CallbackServerContext* context, v1::Operation* response,
                   const backup::BackupRoom& room, operations::OperationTable& table,
                   WorkerPool& streams);

 private:
  void OnReadDone(bool ok) override;
  void OnDone() override { delete this; }

  // On the thread.
  absl::Status Run();
  absl::StatusOr<std::shared_ptr<operations::RunningOperation>> Begin();
  // The next bytes; empty at the stream's proper end.
  absl::StatusOr<std::string> NextChunk();
  // Waits for what was asked for last: whether `message_` has come, and not the end.
  bool AwaitMessage();

  grpc::CallbackServerContext* const context_;
  v1::Operation* const response_;
  const backup::BackupRoom& room_;
  operations::OperationTable& table_;
  WorkerPool& streams_;
  v1::ImportBackupRequest message_;  // gRPC's while a read is under way
  Mutex mutex_;
  CondVar changed_;
  enum class Read { kUnderWay, kDone, kEnd } read_ ABSL_GUARDED_BY(mutex_) = Read::kUnderWay;
  bool has_thread_ = false;  // only looked at where messages come in
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_BACKUP_IMPORT_CALL_H_
