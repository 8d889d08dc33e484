// BlockStore in memory: a shipped fake with RBD's semantics (memory_images.h). It serves
// `agentd --backend=memory` and every test that needs no real cluster.
//
// Beside the seam it has what a test needs to make Ceph misbehave. Thread-safe. Nothing blocks.
#ifndef HVAGENT_AGENT_BLOCK_MEMORY_BLOCK_STORE_H_
#define HVAGENT_AGENT_BLOCK_MEMORY_BLOCK_STORE_H_

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "agent/block/memory_images.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace hvagent::block {

class MemoryBlockStore : public BlockStore {
 public:
  // `clock` gives images their create_time, and outlives the store.
  MemoryBlockStore(std::string fsid, std::vector<Monitor> monitors,
                   const Clock& clock = SystemClock());

  void CreatePool(const std::string& pool);

  // Not OK: Ceph is away. Health and every call then return `status` and do nothing.
  void SetHealth(absl::Status status);

  // What the cluster still does of a call that fails.
  enum class Effect { kNone, kDone };
  // Fails the nth call from now (1: the next), once, with `status`. Every call of the seam counts,
  // a reader's or writer's too, Health apart. Effect::kDone: the call is carried out all the same,
  // as one that timed out on its way back. A new order replaces the last.
  void FailNth(int n, absl::Status status, Effect effect = Effect::kNone);
  void FailNext(absl::Status status, Effect effect = Effect::kNone);
  // Whether an ordered failure still waits: the end of a loop that fails call 1, 2, 3, ...
  bool FailurePending() const;

  // What went through readers and writers since the store was made; zeros do not count.
  struct Traffic {
    uint64_t read_bytes = 0;
    uint64_t written_bytes = 0;
  };
  Traffic traffic() const;

  // A client at `address` opens the image, or closes what it had open.
  void AddWatcher(const ImageName& image, const std::string& address);
  void RemoveWatcher(const std::string& address);
  // As `rbd snap protect` or `unprotect` by somebody else.
  absl::Status SetProtected(const SnapshotName& snapshot, bool is_protected);

  absl::Status Health() const override;
  absl::StatusOr<ClusterInfo> GetCluster() override;
  absl::StatusOr<ImageInfo> GetImage(const ImageName& image) override;
  absl::StatusOr<SnapshotInfo> GetSnapshot(const SnapshotName& snapshot) override;
  absl::StatusOr<std::vector<std::string>> ListImages(const std::string& pool,
                                                      const std::string& after,
                                                      size_t limit) override;
  absl::Status CreateImage(const ImageName& image, Bytes size, Bytes object_size) override;
  // The writer must not outlive the store.
  absl::StatusOr<std::unique_ptr<ImageWriter>> OpenWriter(const ImageName& image) override;
  // The reader must not outlive the store.
  absl::StatusOr<std::unique_ptr<ImageReader>> OpenReader(const ImageName& image,
                                                          const std::string& snapshot) override;
  absl::StatusOr<std::string> ReadImage(const ImageName& image, uint64_t offset_bytes,
                                        size_t length_bytes) override;
  absl::Status CloneImage(const SnapshotName& parent, const ImageName& child) override;
  absl::Status AmendImage(const ImageName& image, const ImageChange& change) override;
  absl::Status RenameImage(const ImageName& from, const std::string& to) override;
  absl::StatusOr<std::vector<std::string>> ListWatchers(const ImageName& image) override;
  bool IsOwnWatcher(absl::string_view address) const override;
  absl::Status RemoveImage(const ImageName& image) override;
  absl::Status CreateSnapshot(const SnapshotName& snapshot) override;
  absl::Status CreateProtectedSnapshot(const SnapshotName& snapshot) override;
  absl::StatusOr<std::vector<Child>> ListChildren(const SnapshotName& snapshot) override;
  absl::Status RemoveSnapshot(const SnapshotName& snapshot) override;
  absl::Status MoveSnapshotToTrash(const SnapshotName& snapshot) override;
  absl::StatusOr<Bytes> MeasureSnapshot(const SnapshotName& snapshot) override;
  absl::Status FlattenImage(const ImageName& image, const FlattenProgress& progress) override;
  absl::Status MoveToTrash(const ImageName& image, absl::Duration delay) override;
  absl::StatusOr<std::vector<TrashedImage>> ListTrash(const std::string& pool,
                                                      const std::string& after,
                                                      size_t limit) override;
  absl::StatusOr<ImageInfo> GetTrashedImage(const std::string& pool,
                                            const std::string& id) override;
  absl::Status RemoveFromTrash(const std::string& pool, const std::string& id) override;
  absl::Status RestoreFromTrash(const std::string& pool, const std::string& id,
                                const std::string& name) override;

 private:
  class Reader;
  class Writer;

  // Runs `body(images_)` as one call: under the lock, after the ordered faults.
  template <typename Body>
  std::invoke_result_t<Body, MemoryImages&> Call(Body body);

  void Count(const Traffic& traffic);

  const std::string fsid_;
  const std::vector<Monitor> monitors_;
  const Clock& clock_;
  mutable Mutex mutex_;
  MemoryImages images_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  int calls_until_failure_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: none is ordered
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  Effect failure_effect_ ABSL_GUARDED_BY(mutex_) = Effect::kNone;
  Traffic traffic_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_writer_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_MEMORY_BLOCK_STORE_H_
