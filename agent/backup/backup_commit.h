// How the making of a restore point ends, however it was made: with its record, by which it exists,
// or with everything taken back. Both block on Ceph and are idempotent.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_COMMIT_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_COMMIT_H_

#include <string>

#include "absl/status/status.h"
#include "agent/backup/backup_room.h"
#include "agent/block/block_store.h"
#include "hvagent/v1/backup.pb.h"

namespace hvagent::backup {

// Writes the record. A backup that has no time yet is the newest of its source from now on,
// whatever the clocks of the nodes say.
absl::Status CommitBackup(const BackupRoom& room, v1::Backup& backup);

// Takes back what the making of the backup `id` of `source`, which has no record, may have done:
// its own base or its increment in that of the newest one, `snapshot` on base and source, and its
// manifest.
absl::Status UndoBackup(const BackupRoom& room, const block::ImageName& source,
                        const std::string& id, const std::string& snapshot);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_COMMIT_H_
