#include "agent/backup/backup_verify.h"

#include <memory>

#include "agent/backup/job_gate.h"
#include "agent/backup/restore_point.h"
#include "base/status_macros.h"

namespace hvagent::backup {

absl::StatusOr<operations::OperationResult> VerifyBackup(const BackupRoom& room,
                                                         operations::RunningOperation& operation) {
  v1::VerifyBackupRequest request;
  if (!operation.begun().request().UnpackTo(&request)) {
    return absl::InternalError("the journalled request is not a VerifyBackupRequest");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<RestorePoint> point,
                   RestorePoint::Open(room, request.id()));
  operation.SetTotal(point->size().count());
  JobGate gate(&operation, room.clock, room.RateOf(request.max_bytes_per_s()));
  for (uint64_t number = 0; number < PartCount(point->size()); ++number) {
    RETURN_IF_ERROR(point->ReadPart(number, gate, [&](uint64_t offset_bytes, const std::string&) {
      operation.SetProgress(offset_bytes);
      return absl::OkStatus();
    }));
  }
  operation.SetProgress(point->size().count());
  return operations::OperationResult(point->backup());
}

}  // namespace hvagent::backup
