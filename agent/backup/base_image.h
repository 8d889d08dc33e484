// The base: the image in which a full backup and those that follow it are kept, one snapshot for
// each. Its head is that of the newest, save while a job adds one.
#ifndef HVAGENT_AGENT_BACKUP_BASE_IMAGE_H_
#define HVAGENT_AGENT_BACKUP_BASE_IMAGE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/backup/backup_room.h"
#include "agent/backup/job_gate.h"
#include "agent/block/block_store.h"
#include "hvagent/v1/backup.pb.h"

namespace hvagent::backup {

block::ImageName BaseOf(const v1::Backup& backup);
bool HasSnapshot(const block::ImageInfo& info, const std::string& snapshot);

// OK when the restore point's snapshot is there.
// Errors: FAILED_PRECONDITION (BACKUP_BASE_MISSING).
absl::Status CheckBase(const BackupRoom& room, const v1::Backup& backup);

// Makes the head of `base` what it was at its snapshot `snapshot`. `writer` has it open.
absl::Status ResetHead(const BackupRoom& room, const block::ImageName& base,
                       const std::string& snapshot, block::ImageWriter& writer, JobGate& gate);

// As the calls of the block store; an image or a snapshot that is gone is no error.
absl::Status RemoveSnapshotIfThere(const BackupRoom& room, const block::SnapshotName& name);
absl::Status RemoveImageIfThere(const BackupRoom& room, const block::ImageName& name);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BASE_IMAGE_H_
