// What a backup that was never made leaves: its snapshot on the disk, and the image of a full one.
// Both have the names that cinder's have, too: only what the agents keep beside them tells whose
// they are.
#ifndef HVAGENT_AGENT_LEFTOVERS_BACKUP_LEFTOVERS_H_
#define HVAGENT_AGENT_LEFTOVERS_BACKUP_LEFTOVERS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/backup/backup_catalog.h"
#include "agent/block/block_store.h"
#include "agent/operations/operation_tag.h"

namespace hvagent::leftovers {

// Thread-safe; blocks on Ceph.
class BackupLeftovers {
 public:
  // Both outlive this object.
  BackupLeftovers(block::BlockStore& block, backup::BackupCatalog& catalog)
      : block_(block), catalog_(catalog) {}

  // The backup, an agent's, that began with this snapshot of a disk and has no record: under way,
  // or given up. nullopt for every other snapshot.
  absl::StatusOr<std::optional<operations::OperationTag>> MakerOf(
      const block::SnapshotName& snapshot);
  // The same of the image that a full backup writes to.
  absl::StatusOr<std::optional<operations::OperationTag>> MakerOf(const block::ImageName& base,
                                                                  const block::ImageInfo& info);

  // Removes the image of a full backup without a record, and what the catalog has of it.
  absl::Status RemoveBase(const block::ImageName& base);

 private:
  absl::StatusOr<bool> HasRecord(absl::string_view id);

  block::BlockStore& block_;
  backup::BackupCatalog& catalog_;
};

}  // namespace hvagent::leftovers

#endif  // HVAGENT_AGENT_LEFTOVERS_BACKUP_LEFTOVERS_H_
