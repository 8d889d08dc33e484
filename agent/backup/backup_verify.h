// Proves restore points.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_VERIFY_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_VERIFY_H_

#include "absl/status/statusor.h"
#include "agent/backup/backup_room.h"
#include "agent/operations/running_operation.h"
#include "hvagent/v1/backup_service.pb.h"

namespace hvagent::backup {

// A job of JobRunner, for an operation whose request is a VerifyBackupRequest. Its result is the
// Backup. Changes nothing.
absl::StatusOr<operations::OperationResult> VerifyBackup(const BackupRoom& room,
                                                         operations::RunningOperation& operation);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_VERIFY_H_
