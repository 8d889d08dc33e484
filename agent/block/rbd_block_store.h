// BlockStore on a Ceph cluster, through librbd in this process and one warm connection.
//
// A call that finds no connection fails at once. When Ceph stops answering in the middle of one, it
// ends after a few times RbdOptions::op_timeout: giving an image up takes operations too. The
// connection is then fenced and made anew (rbd_connection.h), which ends the other calls that were
// using it: a writer that was busy elsewhere fails with CEPH_BLOCKLISTED.
#ifndef HVAGENT_AGENT_BLOCK_RBD_BLOCK_STORE_H_
#define HVAGENT_AGENT_BLOCK_RBD_BLOCK_STORE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/block/block_store.h"
#include "agent/block/rbd_connection.h"
#include "agent/block/rbd_session.h"

namespace hvagent::block {

class RbdBlockStore : public BlockStore {
 public:
  // Starts to connect, and does not wait for it.
  explicit RbdBlockStore(RbdOptions options);
  // All calls have returned, and all writers are gone.
  ~RbdBlockStore() override;

  // Health(), once connected or `timeout` has passed.
  absl::Status WaitUntilHealthy(absl::Duration timeout) const;

  // For what else the agent wants of the cluster: a second connection would cost it memory.
  RbdConnection& connection() { return connection_; }

  absl::Status Health() const override;
  absl::StatusOr<ClusterInfo> GetCluster() override;
  absl::StatusOr<ImageInfo> GetImage(const ImageName& name) override;
  absl::StatusOr<SnapshotInfo> GetSnapshot(const SnapshotName& name) override;
  absl::StatusOr<std::vector<std::string>> ListImages(const std::string& pool,
                                                      const std::string& after,
                                                      size_t limit) override;
  absl::Status CreateImage(const ImageName& name, Bytes size, Bytes object_size) override;
  absl::StatusOr<std::unique_ptr<ImageWriter>> OpenWriter(const ImageName& name) override;
  absl::StatusOr<std::unique_ptr<ImageReader>> OpenReader(const ImageName& name,
                                                          const std::string& snapshot) override;
  absl::StatusOr<std::string> ReadImage(const ImageName& name, uint64_t offset_bytes,
                                        size_t length_bytes) override;
  // Where the cluster makes clones of format 2 librbd clones an unprotected snapshot too, so there
  // it is opened first; for format 1 librbd itself refuses, and looking would only cost each boot
  // an open (12 RADOS operations).
  absl::Status CloneImage(const SnapshotName& parent, const ImageName& child) override;
  absl::Status AmendImage(const ImageName& name, const ImageChange& change) override;
  absl::Status RenameImage(const ImageName& from, const std::string& to) override;
  absl::StatusOr<std::vector<std::string>> ListWatchers(const ImageName& name) override;
  bool IsOwnWatcher(absl::string_view address) const override;
  absl::Status RemoveImage(const ImageName& name) override;
  absl::Status CreateSnapshot(const SnapshotName& name) override;
  absl::Status CreateProtectedSnapshot(const SnapshotName& name) override;
  absl::StatusOr<std::vector<Child>> ListChildren(const SnapshotName& name) override;
  absl::Status RemoveSnapshot(const SnapshotName& name) override;
  absl::Status MoveSnapshotToTrash(const SnapshotName& name) override;
  absl::StatusOr<Bytes> MeasureSnapshot(const SnapshotName& name) override;
  absl::Status FlattenImage(const ImageName& name, const FlattenProgress& progress) override;
  absl::Status MoveToTrash(const ImageName& name, absl::Duration delay) override;
  absl::StatusOr<std::vector<TrashedImage>> ListTrash(const std::string& pool,
                                                      const std::string& after,
                                                      size_t limit) override;
  absl::StatusOr<ImageInfo> GetTrashedImage(const std::string& pool,
                                            const std::string& id) override;
  absl::Status RemoveFromTrash(const std::string& pool, const std::string& id) override;
  absl::Status RestoreFromTrash(const std::string& pool, const std::string& id,
                                const std::string& name) override;

 private:
  RbdConnection connection_;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_BLOCK_STORE_H_
