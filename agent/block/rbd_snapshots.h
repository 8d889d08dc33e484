// Snapshots of RBD images and their clones, on one session: what block_store.h says of them.
#ifndef HVAGENT_AGENT_BLOCK_RBD_SNAPSHOTS_H_
#define HVAGENT_AGENT_BLOCK_RBD_SNAPSHOTS_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "agent/block/rbd_image.h"
#include "agent/block/rbd_session.h"
#include "base/bytes.h"

namespace hvagent::block {

// Errors: NOT_FOUND (SNAPSHOT_NOT_FOUND).
absl::StatusOr<SnapshotInfo> FindSnapshot(const RbdImage& image, const SnapshotName& name);
absl::StatusOr<SnapshotInfo> FindSnapshot(const RadosSession& session, const SnapshotName& name);

// As BlockStore::ListChildren.
absl::StatusOr<std::vector<Child>> ChildrenOf(const RadosSession& session,
                                              const SnapshotName& name);

enum class WithClones { kRefuse, kToTrash };
// As BlockStore::RemoveSnapshot, or MoveSnapshotToTrash.
absl::Status RemoveSnapshot(const RadosSession& session, const SnapshotName& name,
                            WithClones with_clones);

// As BlockStore::MeasureSnapshot.
absl::StatusOr<Bytes> Measure(const RadosSession& session, const SnapshotName& name);

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_SNAPSHOTS_H_
