// Writes restore points to disks.
//
// A new volume is written under a staged name, `hvagent-restore-<operation id>-<node>`, and renamed
// when it is whole. A disk that exists is read too, and only what differs is written.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_RESTORE_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_RESTORE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/backup/backup_room.h"
#include "agent/operations/running_operation.h"
#include "agent/operations/volume_catalog.h"
#include "hvagent/v1/backup_service.pb.h"

namespace hvagent::backup {

// Whether the request could be carried out now. Blocks on Ceph.
// Errors: as BackupService.Restore's.
absl::Status CheckRestore(const BackupRoom& room, const v1::RestoreBackupRequest& request);

// A job of JobRunner, for an operation whose request is a RestoreBackupRequest. Its result is the
// volume; none for a VM's root disk.
absl::StatusOr<operations::OperationResult> RestoreBackup(const BackupRoom& room,
                                                          operations::VolumeCatalog& volumes,
                                                          operations::RunningOperation& operation);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_RESTORE_H_
