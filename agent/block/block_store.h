// Seam: block images in one Ceph cluster. RbdBlockStore is librbd on one warm connection;
// MemoryBlockStore is a shipped fake with the same semantics. Both pass tests/contract.
//
// Thread-safe. Every call blocks, for at most a few times the implementation's configured timeouts;
// none may be made from a gRPC thread. A lost or poisoned connection is made again in the
// background. Errors of every call: UNAVAILABLE (CEPH_UNAVAILABLE: not connected now, nothing was
// done; CEPH_BLOCKLISTED: cut off in the middle, look before acting), DEADLINE_EXCEEDED
// (CEPH_TIMEOUT: it may be done or not, and may still land until the next call gets through; look
// before acting), PERMISSION_DENIED (CEPH_CAPS: naming user and pool), NOT_FOUND (POOL_NOT_FOUND,
// IMAGE_NOT_FOUND, SNAPSHOT_NOT_FOUND), RESOURCE_EXHAUSTED (POOL_FULL). The raw errno is a payload
// ("ceph").
#ifndef HVAGENT_AGENT_BLOCK_BLOCK_STORE_H_
#define HVAGENT_AGENT_BLOCK_BLOCK_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/block/image_io.h"
#include "base/bytes.h"

namespace hvagent::block {

// pool[/namespace]/name. The parts are never joined into one string for Ceph to take apart.
struct ImageName {
  std::string pool;
  std::string rados_namespace;  // empty: the pool's default one
  std::string name;

  // "vms/65bd684f_disk", for messages only.
  std::string ToString() const;
  friend auto operator<=>(const ImageName&, const ImageName&) = default;
};

struct SnapshotName {
  ImageName image;
  std::string snapshot;

  // "images/d18923bd@snap", for messages only.
  std::string ToString() const;
  friend auto operator<=>(const SnapshotName&, const SnapshotName&) = default;
};

struct SnapshotInfo {
  std::string name;
  Bytes size;
  bool is_protected = false;
  absl::Time create_time;  // by the cluster's clock
  friend bool operator==(const SnapshotInfo&, const SnapshotInfo&) = default;
};

struct ImageInfo {
  Bytes size;
  Bytes object_size;
  absl::Time create_time;                       // by the cluster's clock
  std::optional<SnapshotName> parent;           // a snapshot in the trash has lost its name
  bool parent_in_trash = false;                 // the parent's image is there
  std::vector<SnapshotInfo> snapshots;          // oldest first
  bool has_trashed_snapshots = false;           // kept only for clones of format 2
  std::map<std::string, std::string> metadata;  // our keys and others'
};

// An image that was cloned from a snapshot of another.
struct Child {
  ImageName image;
  std::string trash_id;  // while it is in the trash; else empty

  // "vms/65bd684f_disk (in the trash)", for messages only.
  std::string ToString() const;
  friend auto operator<=>(const Child&, const Child&) = default;
};

// An image in its pool's trash: it has no name of its own there, only an id.
struct TrashedImage {
  std::string id;
  std::string name;       // what it was called
  absl::Time trashed_at;  // by the cluster's clock
  absl::Time kept_until;  // before then it is not removed
  friend bool operator==(const TrashedImage&, const TrashedImage&) = default;
};

// Called between two objects, with how far it is; false stops. Must not block.
using FlattenProgress = std::function<bool(Bytes done, Bytes total)>;

// What Amend does to an image, in one open of it.
struct ImageChange {
  // Grows the image to this size. One that is larger already is not changed at all:
  // FAILED_PRECONDITION (IMAGE_TOO_LARGE).
  std::optional<Bytes> grow_to;
  // Sets these keys; others stay.
  std::map<std::string, std::string> metadata;
  // Then takes these away, as what a clone inherited from its parent and what is not true of it.
  // One that is not there is no error.
  std::vector<std::string> remove_metadata;
};

// A monitor's address as clients use it.
struct MonitorAddress {
  std::string host;  // IPv6 without brackets
  uint16_t port = 0;
  enum class Protocol { kV1, kV2 } protocol = Protocol::kV2;
  friend bool operator==(const MonitorAddress&, const MonitorAddress&) = default;
};

struct Monitor {
  std::string name;
  std::vector<MonitorAddress> addresses;
  friend bool operator==(const Monitor&, const Monitor&) = default;
};

struct ClusterInfo {
  std::string fsid;
  std::vector<Monitor> monitors;  // the live monitor map, in its order
  std::string library_version;    // librbd's, "1.17.0"
};

class BlockStore {
 public:
  virtual ~BlockStore() = default;

  // OK while connected; else why not. Does not block.
  virtual absl::Status Health() const = 0;

  // Asks the cluster now: monitors come from the live map, never from a configuration file.
  virtual absl::StatusOr<ClusterInfo> GetCluster() = 0;

  // Everything about one image. Opens it read-only, so leaves no watcher.
  virtual absl::StatusOr<ImageInfo> GetImage(const ImageName& image) = 0;
  // Only one snapshot of an image: cheaper, for the boot path.
  virtual absl::StatusOr<SnapshotInfo> GetSnapshot(const SnapshotName& snapshot) = 0;

  // The names of at most `limit` images of `pool` that sort after `after`, in order.
  virtual absl::StatusOr<std::vector<std::string>> ListImages(const std::string& pool,
                                                              const std::string& after,
                                                              size_t limit) = 0;

  // Makes an empty image of format 2. `object_size` is a power of two, 4 KiB to 32 MiB.
  // Errors: ALREADY_EXISTS (IMAGE_EXISTS).
  virtual absl::Status CreateImage(const ImageName& image, Bytes size, Bytes object_size) = 0;
  // Opens an image for writing; one writer at a time is the caller's care.
  virtual absl::StatusOr<std::unique_ptr<ImageWriter>> OpenWriter(const ImageName& image) = 0;
  // Opens an image for reading: at `snapshot`, or as it is now where that is empty.
  virtual absl::StatusOr<std::unique_ptr<ImageReader>> OpenReader(const ImageName& image,
                                                                  const std::string& snapshot) = 0;
  // Reads `length_bytes` at `offset_bytes`; fewer at the image's end.
  virtual absl::StatusOr<std::string> ReadImage(const ImageName& image, uint64_t offset_bytes,
                                                size_t length_bytes) = 0;

  // Copy-on-write clone, with the parent's object size, size and no data of its own.
  // Errors: ALREADY_EXISTS (IMAGE_EXISTS), FAILED_PRECONDITION (SNAPSHOT_NOT_PROTECTED, whatever
  // format of clones the cluster makes).
  virtual absl::Status CloneImage(const SnapshotName& parent, const ImageName& child) = 0;

  // Idempotent.
  virtual absl::Status AmendImage(const ImageName& image, const ImageChange& change) = 0;

  // Within one pool. Errors: ALREADY_EXISTS (IMAGE_EXISTS).
  virtual absl::Status RenameImage(const ImageName& from, const std::string& to) = 0;

  // The addresses of the clients that have the image open to write. A dead one's stays for 30 s.
  virtual absl::StatusOr<std::vector<std::string>> ListWatchers(const ImageName& image) = 0;

  // Whether an address that ListWatchers names is this store's own. Does not block.
  virtual bool IsOwnWatcher(absl::string_view address) const = 0;

  // Errors: FAILED_PRECONDITION with reason IMAGE_HAS_SNAPSHOTS (naming them) or IMAGE_IN_USE
  // (naming the watchers' addresses; a dead client's watch lasts 30 s).
  virtual absl::Status RemoveImage(const ImageName& image) = 0;

  // Makes the snapshot, not protected. One that is there is left as it is.
  virtual absl::Status CreateSnapshot(const SnapshotName& snapshot) = 0;
  // Makes the snapshot, protected. One that is there is left, and protected if it was not.
  virtual absl::Status CreateProtectedSnapshot(const SnapshotName& snapshot) = 0;
  // The images that were cloned from the snapshot, in any pool, the trash's included. Their number
  // is what it costs, not that of the images in their pools.
  virtual absl::StatusOr<std::vector<Child>> ListChildren(const SnapshotName& snapshot) = 0;
  // Unprotects and removes; one that is gone is no error, but an image that is gone is.
  // Errors: FAILED_PRECONDITION (IMAGE_HAS_CHILDREN, naming them, the trash's included).
  virtual absl::Status RemoveSnapshot(const SnapshotName& snapshot) = 0;
  // As RemoveSnapshot, but clones of format 2 are no hindrance: they keep what they need of it in
  // the trash, and it goes with the last of them. No other clone can be made.
  // Errors: FAILED_PRECONDITION (IMAGE_HAS_CHILDREN: clones of format 1, naming all).
  virtual absl::Status MoveSnapshotToTrash(const SnapshotName& snapshot) = 0;
  // The bytes of the objects that were written between the snapshot before it and this one: what
  // it may keep in use. Costs a look at each object, or where there is an object map, at that.
  virtual absl::StatusOr<Bytes> MeasureSnapshot(const SnapshotName& snapshot) = 0;

  // Copies into the image what it still reads from its parent, and lets go of that; one without a
  // parent is left. A guest that has the image open goes on, and its QEMU does the copying, which
  // `progress` cannot stop then. Idempotent: one that was stopped is gone on with.
  // Errors: CANCELLED (FLATTEN_STOPPED: `progress` said so).
  virtual absl::Status FlattenImage(const ImageName& image, const FlattenProgress& progress) = 0;

  // Puts an image away, with its snapshots, for at least `delay`. The delay is the cluster's to
  // keep, whoever removes it then.
  // Errors: FAILED_PRECONDITION (IMAGE_IN_USE).
  virtual absl::Status MoveToTrash(const ImageName& image, absl::Duration delay) = 0;
  // At most `limit` images of the pool's trash whose ids sort after `after`, by id.
  virtual absl::StatusOr<std::vector<TrashedImage>> ListTrash(const std::string& pool,
                                                              const std::string& after,
                                                              size_t limit) = 0;
  // Everything about an image in the trash. Errors: NOT_FOUND (IMAGE_NOT_FOUND), as for all three.
  virtual absl::StatusOr<ImageInfo> GetTrashedImage(const std::string& pool,
                                                    const std::string& id) = 0;
  // With its snapshots. Errors: FAILED_PRECONDITION (TRASH_KEPT: its delay is not over;
  // IMAGE_HAS_SNAPSHOTS: images that were cloned from it still need them).
  virtual absl::Status RemoveFromTrash(const std::string& pool, const std::string& id) = 0;
  // Gives it a name again. Errors: ALREADY_EXISTS (IMAGE_EXISTS).
  virtual absl::Status RestoreFromTrash(const std::string& pool, const std::string& id,
                                        const std::string& name) = 0;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_BLOCK_STORE_H_
