#include "agent/block/rbd_block_store.h"

#include <bit>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/block/block_error.h"
#include "agent/block/mon_map.h"
#include "agent/block/rbd_directory.h"
#include "agent/block/rbd_error.h"
#include "agent/block/rbd_image.h"
#include "agent/block/rbd_image_reader.h"
#include "agent/block/rbd_image_writer.h"
#include "agent/block/rbd_snapshots.h"
#include "agent/block/rbd_trash.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

absl::StatusOr<ImageInfo> Describe(const RbdImage& image) {
  ImageInfo info;
  ASSIGN_OR_RETURN(info.size, image.Size());
  ASSIGN_OR_RETURN(info.object_size, image.ObjectSize());
  ASSIGN_OR_RETURN(info.create_time, image.CreateTime());
  ASSIGN_OR_RETURN(const auto parent, image.Parent());
  if (parent.has_value()) {
    info.parent = parent->snapshot;
    info.parent_in_trash = parent->in_trash;
  }
  ASSIGN_OR_RETURN(info.snapshots, image.Snapshots());
  ASSIGN_OR_RETURN(info.has_trashed_snapshots, image.HasTrashedSnapshots());
  ASSIGN_OR_RETURN(info.metadata, image.Metadata());
  return info;
}

// Why librbd would not clone. Its errno alone does not say which name was missing.
absl::Status WhyNotCloned(const RadosSession& session, const SnapshotName& parent,
                          const ImageName& child, int result) {
  if (result == -EEXIST) return ImageExists(child);
  if (result == -ENOENT || result == -EINVAL) {
    ASSIGN_OR_RETURN(const SnapshotInfo snapshot, FindSnapshot(session, parent));
    if (!snapshot.is_protected) return SnapshotNotProtected(parent);
  }
  return CephStatus(result, absl::StrCat("clone ", parent.ToString(), " to ", child.ToString()),
                    session.entity());
}

}  // namespace

RbdBlockStore::RbdBlockStore(RbdOptions options) : connection_(std::move(options)) {}
RbdBlockStore::~RbdBlockStore() = default;

absl::Status RbdBlockStore::Health() const { return connection_.Health(); }

absl::Status RbdBlockStore::WaitUntilHealthy(absl::Duration timeout) const {
  return connection_.WaitUntilHealthy(timeout);
}

absl::StatusOr<ClusterInfo> RbdBlockStore::GetCluster() {
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<ClusterInfo> {
    ASSIGN_OR_RETURN(const std::string dump, session.AskForMonMap());
    ASSIGN_OR_RETURN(MonMap map, ParseMonMap(dump));
    int major = 0, minor = 0, extra = 0;
    rbd_version(&major, &minor, &extra);
    return ClusterInfo{std::move(map.fsid), std::move(map.monitors),
                       absl::StrCat(major, ".", minor, ".", extra)};
  });
}

absl::StatusOr<ImageInfo> RbdBlockStore::GetImage(const ImageName& name) {
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<ImageInfo> {
    ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenReadOnly(session, name));
    return Describe(image);
  });
}

absl::StatusOr<SnapshotInfo> RbdBlockStore::GetSnapshot(const SnapshotName& name) {
  return connection_.Call([&](const RadosSession& session) { return FindSnapshot(session, name); });
}

absl::StatusOr<std::vector<std::string>> RbdBlockStore::ListImages(const std::string& pool,
                                                                   const std::string& after,
                                                                   size_t limit) {
  return connection_.Call(
      [&](const RadosSession& session) { return ListImageNames(session, pool, after, limit); });
}

absl::Status RbdBlockStore::CreateImage(const ImageName& name, Bytes size, Bytes object_size) {
  RETURN_IF_ERROR(CheckObjectSize(object_size));
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(name.pool, name.rados_namespace));
    rbd_image_options_t handle = nullptr;
    rbd_image_options_create(&handle);
    const ImageOptionsHandle options(handle);
    rbd_image_options_set_uint64(handle, RBD_IMAGE_OPTION_FORMAT, 2);
    rbd_image_options_set_uint64(handle, RBD_IMAGE_OPTION_ORDER,
                                 std::countr_zero(object_size.count()));
    const int result = rbd_create4(pool.get(), name.name.c_str(), size.count(), handle);
    if (result == -EEXIST) return ImageExists(name);
    return CephStatus(result, absl::StrCat("create image ", name.ToString()), session.entity());
  });
}

absl::StatusOr<std::unique_ptr<ImageWriter>> RbdBlockStore::OpenWriter(const ImageName& name) {
  ASSIGN_OR_RETURN(std::shared_ptr<RadosSession> session, connection_.Get());
  absl::StatusOr<RbdImage> image = RbdImage::Open(*session, name);
  // A write that waits for the lock has no time limit, one that has it does: so lock before any.
  if (absl::Status locked = image.ok() ? image->Lock() : image.status(); !locked.ok()) {
    connection_.Report(session, locked);
    return locked;
  }
  ASSIGN_OR_RETURN(const Bytes size, image->Size());
  return std::make_unique<RbdImageWriter>(connection_, std::move(session), *std::move(image), name,
                                          size);
}

absl::StatusOr<std::unique_ptr<ImageReader>> RbdBlockStore::OpenReader(
    const ImageName& name, const std::string& snapshot) {
  return RbdImageReader::Open(connection_, name, snapshot);
}

absl::StatusOr<std::string> RbdBlockStore::ReadImage(const ImageName& name, uint64_t offset_bytes,
                                                     size_t length_bytes) {
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenReadOnly(session, name));
    return image.Read(offset_bytes, length_bytes);
  });
}

absl::Status RbdBlockStore::CloneImage(const SnapshotName& parent, const ImageName& child) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(const PoolHandle parent_pool,
                     session.OpenPool(parent.image.pool, parent.image.rados_namespace));
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(child.pool, child.rados_namespace));
    const int format = session.CloneFormat();
    if (format == 2) {
      ASSIGN_OR_RETURN(const SnapshotInfo snapshot, FindSnapshot(session, parent));
      if (!snapshot.is_protected) return SnapshotNotProtected(parent);
    }
    rbd_image_options_t handle = nullptr;
    rbd_image_options_create(&handle);
    const ImageOptionsHandle options(handle);
    rbd_image_options_set_uint64(handle, RBD_IMAGE_OPTION_CLONE_FORMAT, format);
    const int result =
        rbd_clone3(parent_pool.get(), parent.image.name.c_str(), parent.snapshot.c_str(),
                   pool.get(), child.name.c_str(), options.get());
    return result == 0 ? absl::OkStatus() : WhyNotCloned(session, parent, child, result);
  });
}

absl::Status RbdBlockStore::AmendImage(const ImageName& name, const ImageChange& change) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(RbdImage image, RbdImage::Open(session, name));
    ASSIGN_OR_RETURN(const Bytes size, image.Size());
    if (change.grow_to.value_or(size) < size) return ImageTooLarge(name, size, *change.grow_to);
    for (const auto& [key, value] : change.metadata) {
      RETURN_IF_ERROR(image.SetMetadata(key, value));
    }
    for (const std::string& key : change.remove_metadata) {
      RETURN_IF_ERROR(image.RemoveMetadata(key));
    }
    if (change.grow_to > size) RETURN_IF_ERROR(image.Resize(*change.grow_to));
    return std::move(image).Close();
  });
}

absl::Status RbdBlockStore::RenameImage(const ImageName& from, const std::string& to) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(from.pool, from.rados_namespace));
    const int result = rbd_rename(pool.get(), from.name.c_str(), to.c_str());
    if (result == -ENOENT) return ImageNotFound(from);
    if (result == -EEXIST) return ImageExists({from.pool, from.rados_namespace, to});
    return CephStatus(result, absl::StrCat("rename image ", from.ToString(), " to ", to),
                      session.entity());
  });
}

absl::StatusOr<std::vector<std::string>> RbdBlockStore::ListWatchers(const ImageName& name) {
  return connection_.Call(
      [&](const RadosSession& session) -> absl::StatusOr<std::vector<std::string>> {
        ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenReadOnly(session, name));
        return image.Watchers();
      });
}

bool RbdBlockStore::IsOwnWatcher(absl::string_view address) const {
  const auto session = connection_.Get();
  return session.ok() && (*session)->address() == address;
}

absl::Status RbdBlockStore::RemoveImage(const ImageName& name) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(name.pool, name.rados_namespace));
    // A full pool must not keep anybody from making room.
    rados_set_pool_full_try(pool.get());
    const int result = rbd_remove(pool.get(), name.name.c_str());
    switch (result) {
      case -ENOENT:
        return ImageNotFound(name);
      case -ENOTEMPTY: {
        ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenReadOnly(session, name));
        ASSIGN_OR_RETURN(const std::vector<std::string> names, image.SnapshotNames());
        return ImageHasSnapshots(name, names);
      }
      case -EBUSY: {
        ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenReadOnly(session, name));
        ASSIGN_OR_RETURN(const std::vector<std::string> addresses, image.Watchers());
        return ImageInUse(name, addresses);
      }
      default:
        return CephStatus(result, absl::StrCat("remove image ", name.ToString()), session.entity());
    }
  });
}

absl::Status RbdBlockStore::CreateSnapshot(const SnapshotName& name) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(RbdImage image, RbdImage::Open(session, name.image));
    RETURN_IF_ERROR(image.CreateSnapshot(name.snapshot, RbdImage::Quiesce::kUsers));
    return std::move(image).Close();
  });
}

absl::Status RbdBlockStore::CreateProtectedSnapshot(const SnapshotName& name) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(RbdImage image, RbdImage::Open(session, name.image));
    RETURN_IF_ERROR(image.CreateSnapshot(name.snapshot, RbdImage::Quiesce::kUsers));
    RETURN_IF_ERROR(image.Protect(name.snapshot));
    return std::move(image).Close();
  });
}

absl::StatusOr<std::vector<Child>> RbdBlockStore::ListChildren(const SnapshotName& name) {
  return connection_.Call([&](const RadosSession& session) { return ChildrenOf(session, name); });
}

absl::Status RbdBlockStore::RemoveSnapshot(const SnapshotName& name) {
  return connection_.Call([&](const RadosSession& session) {
    return hvagent::block::RemoveSnapshot(session, name, WithClones::kRefuse);
  });
}

absl::Status RbdBlockStore::MoveSnapshotToTrash(const SnapshotName& name) {
  return connection_.Call([&](const RadosSession& session) {
    return hvagent::block::RemoveSnapshot(session, name, WithClones::kToTrash);
  });
}

absl::StatusOr<Bytes> RbdBlockStore::MeasureSnapshot(const SnapshotName& name) {
  return connection_.Call([&](const RadosSession& session) { return Measure(session, name); });
}

absl::Status RbdBlockStore::FlattenImage(const ImageName& name, const FlattenProgress& progress) {
  return connection_.Call([&](const RadosSession& session) -> absl::Status {
    ASSIGN_OR_RETURN(RbdImage image, RbdImage::Open(session, name));
    ASSIGN_OR_RETURN(const auto parent, image.Parent());
    if (parent.has_value()) RETURN_IF_ERROR(image.Flatten(progress));
    return std::move(image).Close();
  });
}

absl::Status RbdBlockStore::MoveToTrash(const ImageName& name, absl::Duration delay) {
  return connection_.Call(
      [&](const RadosSession& session) { return TrashImage(session, name, delay); });
}

absl::StatusOr<std::vector<TrashedImage>> RbdBlockStore::ListTrash(const std::string& pool,
                                                                   const std::string& after,
                                                                   size_t limit) {
  return connection_.Call(
      [&](const RadosSession& session) { return ListTrashedImages(session, pool, after, limit); });
}

absl::StatusOr<ImageInfo> RbdBlockStore::GetTrashedImage(const std::string& pool,
                                                         const std::string& id) {
  return connection_.Call([&](const RadosSession& session) -> absl::StatusOr<ImageInfo> {
    ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenTrashed(session, pool, id));
    return Describe(image);
  });
}

absl::Status RbdBlockStore::RemoveFromTrash(const std::string& pool, const std::string& id) {
  return connection_.Call(
      [&](const RadosSession& session) { return RemoveTrashedImage(session, pool, id); });
}

absl::Status RbdBlockStore::RestoreFromTrash(const std::string& pool, const std::string& id,
                                             const std::string& name) {
  return connection_.Call(
      [&](const RadosSession& session) { return RestoreTrashedImage(session, pool, id, name); });
}

}  // namespace hvagent::block
