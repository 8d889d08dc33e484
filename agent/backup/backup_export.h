// Sends restore points away, in the `rbd diff` format.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_EXPORT_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_EXPORT_H_

#include "absl/status/status.h"
#include "agent/backup/backup_room.h"
#include "agent/backup/diff_writer.h"
#include "hvagent/v1/backup_service.pb.h"

namespace hvagent::backup {

// Hands the stream to `sink`, each byte of data proved by its checksum first. Blocks until it is
// all taken. Errors: as BackupService.Export's, and the sink's; the stream has no end then.
absl::Status ExportBackup(const BackupRoom& room, const v1::ExportBackupRequest& request,
                          DiffWriter::Sink sink);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_EXPORT_H_
