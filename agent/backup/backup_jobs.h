// The operations of backups, as jobs.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_JOBS_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_JOBS_H_

#include <map>

#include "agent/backup/backup_room.h"
#include "agent/operations/job_runner.h"
#include "agent/operations/volume_catalog.h"

namespace hvagent::backup {

// All kinds of operation that BackupService starts. Both arguments outlive the jobs.
std::map<v1::Operation::Kind, operations::JobRunner::Job> BackupJobs(
    const BackupRoom& room, operations::VolumeCatalog& volumes);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_JOBS_H_
