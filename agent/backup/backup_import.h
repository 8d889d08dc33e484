// Makes restore points of streams in the `rbd diff` format: a whole disk becomes a full one, with a
// base of its own; an increment follows the newest one of its disk, in that one's base. The stream
// is written to the base as it comes, and lives as long as its client: what is cut off is undone.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_IMPORT_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_IMPORT_H_

#include "absl/status/statusor.h"
#include "agent/backup/backup_room.h"
#include "agent/backup/diff_reader.h"
#include "agent/operations/running_operation.h"
#include "hvagent/v1/backup.pb.h"

namespace hvagent::backup {

// Reads the stream, whose backup will be one of `source`, to its end, and ends the operation, whose
// target is the source's image. Blocks on Ceph and on the stream.
// Errors: as BackupService.Import's, and the stream's. Nothing is left then, or it is left to
// SettleBackupImport.
absl::StatusOr<v1::Backup> ImportBackup(const BackupRoom& room, const v1::BackupDisk& source,
                                        operations::RunningOperation& operation,
                                        DiffReader::Source stream);

// Ends an import that lost its client, as a job of JobRunner: its backup, if that has a record;
// else ABORTED (CUT_OFF), and what was made is undone.
absl::StatusOr<operations::OperationResult> SettleBackupImport(
    const BackupRoom& room, operations::RunningOperation& operation);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_IMPORT_H_
