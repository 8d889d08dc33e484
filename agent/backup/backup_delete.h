// Removes restore points; those that stay are kept whole.
//
// The one that follows a removed one takes its place: the extents that it inherits are joined to
// its manifest, those of which it changed a part with a new checksum of the rest, taken from data
// that the old one has proved. Their bytes are in the base already.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_DELETE_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_DELETE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/backup/backup_room.h"
#include "agent/operations/running_operation.h"
#include "hvagent/v1/backup_service.pb.h"

namespace hvagent::backup {

// The restore points that the request removes, from the oldest. Blocks on Ceph.
// Errors: INVALID_ARGUMENT (field's path), NOT_FOUND (BACKUP_NOT_FOUND).
absl::StatusOr<std::vector<v1::Backup>> ChooseBackups(const BackupRoom& room,
                                                      const v1::DeleteBackupsRequest& request);

// A job of JobRunner, for an operation whose request is a DeleteBackupsRequest. Cancelled it stops
// between two of them.
absl::StatusOr<operations::OperationResult> DeleteBackups(const BackupRoom& room,
                                                          operations::RunningOperation& operation);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_DELETE_H_
