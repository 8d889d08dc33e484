// Makes restore points.
//
// The steps, each of which finds out whether it was done before: a snapshot of the source; the base
// (new, or that of the newest restore point, its head brought back to that one if an attempt that
// nobody finished has changed it); copying what differs, with a part of the manifest for every
// 4 GiB that are on the cluster; the snapshot of the base; the record. Until there is a record
// everything can be undone.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_CREATE_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_CREATE_H_

#include "absl/status/statusor.h"
#include "agent/backup/backup_room.h"
#include "agent/operations/running_operation.h"
#include "hvagent/v1/backup_service.pb.h"

namespace hvagent::backup {

// The restore point that the request would make now, as far as it can be known. Blocks on Ceph.
// Errors: as BackupService.Create's.
absl::StatusOr<v1::Backup> PlanBackup(const BackupRoom& room,
                                      const v1::CreateBackupRequest& request);

// A job of JobRunner, for an operation whose request is a CreateBackupRequest.
absl::StatusOr<operations::OperationResult> CreateBackup(const BackupRoom& room,
                                                         operations::RunningOperation& operation);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_CREATE_H_
