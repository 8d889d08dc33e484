// The volumes of one pool and their snapshots: what is there, growing, snapshots, deletion.
// volume_create.h makes them. Thread-safe; blocks on Ceph.
#ifndef HVAGENT_AGENT_OPERATIONS_VOLUME_CATALOG_H_
#define HVAGENT_AGENT_OPERATIONS_VOLUME_CATALOG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "base/uuid.h"
#include "hvagent/v1/volume.pb.h"

namespace hvagent::operations {

// The metadata of a volume that an agent made. Clones copy their parent's metadata, so the mark
// counts only where it holds the volume's own id.
inline constexpr char kVolumeKey[] = "hvagent.volume";
inline constexpr char kVolumeSizeKey[] = "hvagent.volume.size_gib";
inline constexpr char kVolumeSourceKey[] = "hvagent.volume.source";

// Errors of every call: those of the block store; NOT_FOUND (VOLUME_NOT_FOUND).
class VolumeCatalog {
 public:
  // `block` outlives the catalog.
  VolumeCatalog(block::BlockStore& block, std::string pool)
      : block_(block), pool_(std::move(pool)) {}

  block::BlockStore& block() { return block_; }
  block::ImageName NameOf(const Uuid& id) const;
  block::SnapshotName SnapshotNameOf(const Uuid& volume, const Uuid& snapshot) const;

  absl::StatusOr<block::ImageInfo> Find(const Uuid& id);
  absl::StatusOr<v1::Volume> Get(const Uuid& id);

  // At most `limit` volumes whose id sorts after `after`, by id. What is in the pool under another
  // name than a volume's is left out.
  // Errors: INVALID_ARGUMENT (page_token) unless `after` is a UUID or empty.
  absl::StatusOr<std::vector<v1::Volume>> List(absl::string_view after, size_t limit);

  // With `dry_run` only checks, and answers with the volume as it would be.
  // Errors: INVALID_ARGUMENT (size_gib), FAILED_PRECONDITION (VOLUME_WOULD_SHRINK).
  absl::StatusOr<v1::Volume> Resize(const Uuid& id, uint32_t size_gib, bool dry_run);

  // Removes the volume, then its source's snapshot as ReleaseSource.
  // Errors: FAILED_PRECONDITION (VOLUME_HAS_SNAPSHOTS, IMAGE_IN_USE).
  absl::Status Delete(const Uuid& id);
  // As Delete, without deleting anything.
  absl::Status CheckDelete(const Uuid& id);

  // Removes the snapshot `source` if it was made to clone volume `id`, and then what cinder keeps
  // of a source that was deleted before its clones, `volume-<id>.deleted`, unless others need it.
  // What cannot be removed now is said in the log, and goes with the source.
  void ReleaseSource(const Uuid& id, const block::SnapshotName& source);

  absl::StatusOr<v1::VolumeSnapshot> CreateSnapshot(const Uuid& volume, const Uuid& snapshot);
  // `with_usage`: measures used_bytes too, which takes long.
  absl::StatusOr<std::vector<v1::VolumeSnapshot>> ListSnapshots(const Uuid& volume,
                                                                bool with_usage = false);
  // Errors: NOT_FOUND (SNAPSHOT_NOT_FOUND), FAILED_PRECONDITION (IMAGE_HAS_CHILDREN).
  absl::Status DeleteSnapshot(const Uuid& volume, const Uuid& snapshot);
  // As DeleteSnapshot, without deleting anything.
  absl::Status CheckDeleteSnapshot(const Uuid& volume, const Uuid& snapshot);

  v1::Volume ToProto(const Uuid& id, const block::ImageInfo& info) const;

 private:
  absl::StatusOr<v1::VolumeSnapshot> ToProto(const Uuid& volume,
                                             const block::SnapshotInfo& snapshot);
  absl::Status CheckSnapshots(const Uuid& id, const block::ImageInfo& info);

  block::BlockStore& block_;
  const std::string pool_;
};

// Errors: INVALID_ARGUMENT (size_gib) unless it is 1 to 65536.
absl::Status CheckSizeGib(uint32_t size_gib);

// Whether an agent made the volume.
bool IsMarked(const Uuid& id, const block::ImageInfo& info);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_VOLUME_CATALOG_H_
