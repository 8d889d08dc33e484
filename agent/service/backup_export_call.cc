#include "agent/service/backup_export_call.h"

#include <utility>

#include "agent/backup/backup_export.h"
#include "agent/service/grpc_status.h"
#include "base/status_macros.h"

namespace hvagent::service {

BackupExportCall::BackupExportCall(v1::ExportBackupRequest request, const backup::BackupRoom& room,
                                   WorkerPool& streams)
    : request_(std::move(request)), room_(room) {
  const absl::Status queued = streams.Submit([this] { Run(); });
  if (!queued.ok()) Finish(ToGrpcStatus(queued));
}

void BackupExportCall::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) gone_ = true;
  changed_.SignalAll();
}

void BackupExportCall::OnCancel() {
  MutexLock lock(mutex_);
  gone_ = true;
  changed_.SignalAll();
}

void BackupExportCall::Run() {
  absl::Status status = backup::ExportBackup(
      room_, request_, [this](std::string chunk) { return Send(std::move(chunk)); });
  status.Update(AwaitWritten());
  Finish(ToGrpcStatus(status));
}

absl::Status BackupExportCall::Send(std::string chunk) {
  RETURN_IF_ERROR(AwaitWritten());
  message_.set_chunk(std::move(chunk));
  {
    MutexLock lock(mutex_);
    writing_ = true;
  }
  StartWrite(&message_);
  return absl::OkStatus();
}

absl::Status BackupExportCall::AwaitWritten() {
  MutexLock lock(mutex_);
  while (writing_) changed_.Wait(mutex_);
  return gone_ ? absl::CancelledError("the client went away") : absl::OkStatus();
}

}  // namespace hvagent::service
