// The images of MemoryBlockStore: RBD's semantics without RBD, and without locks or faults, which
// are MemoryBlockStore's part. Not thread-safe.
//
// Contents are kept in objects as RBD does, so an image takes memory only for what was written.
// A snapshot shares its image's objects until either changes; a clone reads through to its
// parent's snapshot wherever it has no object of its own.
#ifndef HVAGENT_AGENT_BLOCK_MEMORY_IMAGES_H_
#define HVAGENT_AGENT_BLOCK_MEMORY_IMAGES_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"

namespace hvagent::block {

class MemoryImages {
 public:
  void CreatePool(const std::string& pool) { pools_.insert(pool); }

  // As in BlockStore.
  absl::StatusOr<ImageInfo> GetImage(const ImageName& name) const;
  absl::StatusOr<SnapshotInfo> GetSnapshot(const SnapshotName& name) const;
  absl::StatusOr<std::vector<std::string>> ListImages(const std::string& pool,
                                                      const std::string& after, size_t limit) const;
  absl::Status CreateImage(const ImageName& name, Bytes size, Bytes object_size, absl::Time now);
  absl::StatusOr<std::string> ReadImage(const ImageName& name, uint64_t offset_bytes,
                                        size_t length_bytes) const;
  absl::Status CloneImage(const SnapshotName& parent, const ImageName& child, absl::Time now);
  absl::Status AmendImage(const ImageName& name, const ImageChange& change);
  absl::Status RenameImage(const ImageName& from, const std::string& to);
  absl::StatusOr<std::vector<std::string>> ListWatchers(const ImageName& name) const;
  absl::Status RemoveImage(const ImageName& name);
  absl::Status CreateSnapshot(const SnapshotName& name, absl::Time now);
  absl::Status CreateProtectedSnapshot(const SnapshotName& name, absl::Time now);
  absl::StatusOr<std::vector<Child>> ListChildren(const SnapshotName& name) const;
  absl::Status RemoveSnapshot(const SnapshotName& name);
  absl::Status MoveSnapshotToTrash(const SnapshotName& name);
  absl::StatusOr<Bytes> MeasureSnapshot(const SnapshotName& name) const;
  absl::Status FlattenImage(const ImageName& name, const FlattenProgress& progress);
  absl::Status MoveToTrash(const ImageName& name, absl::Duration delay, absl::Time now);
  absl::StatusOr<std::vector<TrashedImage>> ListTrash(const std::string& pool,
                                                      const std::string& after, size_t limit) const;
  absl::StatusOr<ImageInfo> GetTrashedImage(const std::string& pool, const std::string& id) const;
  absl::Status RemoveFromTrash(const std::string& pool, const std::string& id, absl::Time now);
  absl::Status RestoreFromTrash(const std::string& pool, const std::string& id,
                                const std::string& name);

  // What a reader does; `snapshot` is empty for the image as it is now.
  absl::StatusOr<Bytes> SizeAt(const ImageName& name, const std::string& snapshot) const;
  absl::StatusOr<std::vector<Extent>> Diff(const ImageName& name, const std::string& snapshot,
                                           const std::string& since, uint64_t offset_bytes,
                                           uint64_t length_bytes) const;
  absl::StatusOr<std::string> ReadAt(const ImageName& name, const std::string& snapshot,
                                     uint64_t offset_bytes, size_t length_bytes) const;

  // What a writer does.
  absl::Status Write(const ImageName& name, uint64_t offset_bytes, absl::string_view data);
  absl::Status WriteZeros(const ImageName& name, uint64_t offset_bytes, uint64_t length_bytes);
  absl::Status Resize(const ImageName& name, Bytes size);

  // A watcher keeps an image from being removed. No error if the image is gone.
  void AddWatcher(const ImageName& name, const std::string& address);
  void RemoveWatcher(const std::string& address);

  // As `rbd snap protect` and `rbd snap unprotect` by somebody else would.
  absl::Status SetProtected(const SnapshotName& name, bool is_protected);

 private:
  // What an image or a snapshot holds. A snapshot's never changes.
  struct Content {
    Bytes size;
    Bytes object_size;
    std::map<uint64_t, std::shared_ptr<std::string>> objects;  // by number; zeros follow
    std::shared_ptr<const Content> parent;
    Bytes overlap;  // how much of the parent shows through

    std::string Read(uint64_t offset_bytes, size_t length_bytes) const;
    void Write(uint64_t offset_bytes, absl::string_view data);
    void Resize(Bytes to);
    // Whether object `number` is certainly the same in both.
    bool SharesObject(const Content& other, uint64_t number) const;
    // Whether an object of its own or of its parents' lies there.
    bool HoldsData(uint64_t offset_bytes, uint64_t length_bytes) const;
    // Object `number`, made and not shared with a snapshot.
    std::string& OwnObject(uint64_t number);
  };
  struct Snapshot {
    SnapshotInfo info;
    std::shared_ptr<const Content> content;
    bool in_trash = false;  // kept only for its clones
  };
  struct Parent {
    uint64_t image_id;
    std::string snapshot;
  };
  struct Image {
    uint64_t id;  // stays when the image is renamed
    absl::Time create_time;
    Content content;
    std::optional<Parent> parent;
    std::vector<Snapshot> snapshots;
    std::map<std::string, std::string> metadata;
    std::set<std::string> watchers;

    // One that is not in the trash.
    const Snapshot* FindSnapshot(absl::string_view name) const;
  };

  absl::Status CheckPool(const std::string& pool) const;
  absl::StatusOr<const Image*> Find(const ImageName& name) const;
  absl::StatusOr<Image*> Find(const ImageName& name);
  absl::StatusOr<const Snapshot*> Find(const SnapshotName& name) const;
  // What the image holds now, where `snapshot` is empty, or held then.
  absl::StatusOr<const Content*> ContentAt(const ImageName& name,
                                           const std::string& snapshot) const;
  // That the pool is there, and the image is not.
  absl::Status CheckFree(const ImageName& name) const;
  std::vector<Child> ChildrenOf(const Image& image, absl::string_view snapshot) const;
  ImageInfo Describe(const Image& image) const;
  // Lets go of the snapshot that `parent` names, if it was kept only for the clone that is gone.
  void ReleaseParent(const std::optional<Parent>& parent);

  struct Trashed {
    TrashedImage info;
    ImageName name;
    Image image;
  };
  using TrashKey = std::pair<std::string, std::string>;  // pool and id

  std::set<std::string> pools_;
  std::map<ImageName, Image> images_;
  std::map<TrashKey, Trashed> trash_;
  uint64_t next_id_ = 1;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_MEMORY_IMAGES_H_
