// One RBD image, open. Its methods are librbd's calls with our types and errors; what they mean
// together is RbdBlockStore's part.
#ifndef HVAGENT_AGENT_BLOCK_RBD_IMAGE_H_
#define HVAGENT_AGENT_BLOCK_RBD_IMAGE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/block/block_store.h"
#include "agent/block/rbd_handles.h"
#include "agent/block/rbd_session.h"

namespace hvagent::block {

// Thread-safe as librbd is; move-only. Must not outlive its session. Blocks, save where said.
class RbdImage {
 public:
  // Errors: NOT_FOUND (POOL_NOT_FOUND, IMAGE_NOT_FOUND).
  static absl::StatusOr<RbdImage> Open(const RadosSession& session, const ImageName& name);
  // Leaves no watcher.
  static absl::StatusOr<RbdImage> OpenReadOnly(const RadosSession& session, const ImageName& name);
  static absl::StatusOr<RbdImage> OpenReadOnly(const RadosSession& session,
                                               const SnapshotName& name);

  // An image in the trash of `pool`. Leaves no watcher.
  // Errors: NOT_FOUND (POOL_NOT_FOUND, IMAGE_NOT_FOUND).
  static absl::StatusOr<RbdImage> OpenTrashed(const RadosSession& session, const std::string& pool,
                                              const std::string& id);
  // As OpenTrashed, to be changed.
  static absl::StatusOr<RbdImage> OpenTrashedToWrite(const RadosSession& session,
                                                     const std::string& pool,
                                                     const std::string& id);

  // Closes the image; the destructor does too, but cannot say that it failed.
  absl::Status Close() &&;

  // librbd has these at hand once the image is open: they ask nobody.
  absl::StatusOr<Bytes> Size() const;
  absl::StatusOr<Bytes> ObjectSize() const;
  absl::StatusOr<absl::Time> CreateTime() const;
  struct ParentInfo {
    SnapshotName snapshot;
    bool in_trash = false;
  };
  absl::StatusOr<std::optional<ParentInfo>> Parent() const;
  // Those that users made, oldest first.
  absl::StatusOr<std::vector<SnapshotInfo>> Snapshots() const;
  // All, with those that only librbd needs: trash of format 2 clones, mirroring, groups.
  absl::StatusOr<std::vector<std::string>> SnapshotNames() const;

  // Whether there are snapshots in the trash, which are kept only for clones of format 2.
  absl::StatusOr<bool> HasTrashedSnapshots() const;

  absl::StatusOr<std::map<std::string, std::string>> Metadata() const;
  absl::Status SetMetadata(const std::string& key, const std::string& value);
  // One that is not there is no error.
  absl::Status RemoveMetadata(const std::string& key);
  absl::Status Resize(Bytes size);
  // Errors: CANCELLED (FLATTEN_STOPPED).
  absl::Status Flatten(const FlattenProgress& progress);
  // The bytes of the objects that differ between the snapshot `since` (empty: nothing) and what it
  // was opened at.
  absl::StatusOr<Bytes> MeasureChanges(const std::string& since) const;
  // Takes the exclusive lock, where the image has that feature, and keeps it until it is closed.
  absl::Status Lock();
  // Reads less than `length_bytes` only at the image's end.
  absl::StatusOr<std::string> Read(uint64_t offset_bytes, size_t length_bytes) const;

  // The addresses of the clients that have it open for writing, without this one.
  absl::StatusOr<std::vector<std::string>> Watchers() const;
  // The clones of the snapshot that it was opened at, or of all, with those in the trash.
  absl::StatusOr<std::vector<Child>> Children() const;

  // Whom a snapshot asks to pause writing: a guest's client, or nobody, where this handle is the
  // image's only user, which spares a round of notifications.
  enum class Quiesce { kUsers, kNobody };

  // What is so already is no error for these three.
  absl::Status CreateSnapshot(const std::string& snapshot, Quiesce quiesce);
  absl::Status Protect(const std::string& snapshot);
  // Errors: FAILED_PRECONDITION with raw code EBUSY if it has clones of format 1.
  absl::Status Unprotect(const std::string& snapshot);
  absl::Status RemoveSnapshot(const std::string& snapshot);

  rbd_image_t handle() const { return image_.get(); }

  // What a call of librbd on this image returned, as a status. `action`: "resize".
  absl::Status ToStatus(int result, absl::string_view action) const;

 private:
  struct ListedSnapshot {
    uint64_t id;
    Bytes size;
    std::string name;
  };
  using OpenCall = int (*)(rados_ioctx_t, const char*, rbd_image_t*, const char*);

  // `snapshot` may be null. NOT_FOUND without a reason: the image or the snapshot is not there.
  static absl::StatusOr<RbdImage> Open(const RadosSession& session, const ImageName& name,
                                       OpenCall open, const char* snapshot);
  static absl::StatusOr<RbdImage> OpenTrashed(const RadosSession& session, const std::string& pool,
                                              const std::string& id, OpenCall open);
  absl::StatusOr<std::vector<ListedSnapshot>> ListSnapshots() const;

  RbdImage(const RadosSession& session, ImageName name)
      : session_(&session), name_(std::move(name)) {}

  const RadosSession* session_;
  ImageName name_;
  PoolHandle pool_;
  ImageHandle image_;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_IMAGE_H_
