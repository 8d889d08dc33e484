#include "agent/backup/backup_jobs.h"

#include "agent/backup/backup_create.h"
#include "agent/backup/backup_delete.h"
#include "agent/backup/backup_import.h"
#include "agent/backup/backup_restore.h"
#include "agent/backup/backup_verify.h"

namespace hvagent::backup {

using operations::RunningOperation;

std::map<v1::Operation::Kind, operations::JobRunner::Job> BackupJobs(
    const BackupRoom& room, operations::VolumeCatalog& volumes) {
  return {
      {v1::Operation::BACKUP_CREATE,
       [&room](RunningOperation& operation) { return CreateBackup(room, operation); }},
      {v1::Operation::BACKUP_VERIFY,
       [&room](RunningOperation& operation) { return VerifyBackup(room, operation); }},
      {v1::Operation::BACKUP_RESTORE,
       [&room, &volumes](RunningOperation& operation) {
         return RestoreBackup(room, volumes, operation);
       }},
      {v1::Operation::BACKUP_DELETE,
       [&room](RunningOperation& operation) { return DeleteBackups(room, operation); }},
      // One that its call works on is not a job: it cannot go on without its client.
      {v1::Operation::BACKUP_IMPORT,
       [&room](RunningOperation& operation) { return SettleBackupImport(room, operation); }},
  };
}

}  // namespace hvagent::backup
