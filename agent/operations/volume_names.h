// How volumes and their snapshots are named in RBD: as cinder names them, so that a pool can be
// taken over and given back.
#ifndef HVAGENT_AGENT_OPERATIONS_VOLUME_NAMES_H_
#define HVAGENT_AGENT_OPERATIONS_VOLUME_NAMES_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/uuid.h"

namespace hvagent::operations {

// "volume-<id>"
std::string VolumeName(const Uuid& id);
// "snapshot-<id>"
std::string VolumeSnapshotName(const Uuid& id);
// The snapshot of its source from which volume `id` is cloned: "volume-<id>.clone_snap".
std::string CloneSnapshotName(const Uuid& id);

// nullopt when `name` is no volume's: cinder's "volume-<id>.deleted" is none, nor is anything in
// upper case.
std::optional<Uuid> VolumeIdOf(absl::string_view name);
std::optional<Uuid> VolumeSnapshotIdOf(absl::string_view name);
// "volume-<id>.deleted": what cinder makes of a volume that is deleted while it has clones.
std::optional<Uuid> DeletedVolumeIdOf(absl::string_view name);
// Whether a volume was to be cloned from the snapshot.
bool IsCloneSnapshot(absl::string_view name);

// Errors: INVALID_ARGUMENT (`field`) unless `text` is a UUID.
absl::StatusOr<Uuid> ParseId(absl::string_view field, absl::string_view text);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_VOLUME_NAMES_H_
