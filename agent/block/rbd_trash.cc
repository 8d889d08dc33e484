#include "agent/block/rbd_trash.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/block/block_error.h"
#include "agent/block/rbd_error.h"
#include "agent/block/rbd_image.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

TrashedImage FromRbd(const rbd_trash_image_info_t& info) {
  return {info.id, info.name, absl::FromTimeT(info.deletion_time),
          absl::FromTimeT(info.deferment_end_time)};
}

// What clones of format 2 need of a snapshot stays, in the trash of snapshots. One that clones of
// format 1 need is left.
absl::Status RemoveSnapshots(const RadosSession& session, const std::string& pool,
                             const std::string& id) {
  ASSIGN_OR_RETURN(RbdImage image, RbdImage::OpenTrashedToWrite(session, pool, id));
  ASSIGN_OR_RETURN(const std::vector<SnapshotInfo> snapshots, image.Snapshots());
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.is_protected && !image.Unprotect(snapshot.name).ok()) continue;
    RETURN_IF_ERROR(image.RemoveSnapshot(snapshot.name));
  }
  return std::move(image).Close();
}

}  // namespace

absl::Status TrashImage(const RadosSession& session, const ImageName& name, absl::Duration delay) {
  ASSIGN_OR_RETURN(const PoolHandle pool, session.OpenPool(name.pool, name.rados_namespace));
  const auto seconds = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToInt64Seconds(delay)));
  const int result = rbd_trash_move(pool.get(), name.name.c_str(), seconds);
  if (result == -ENOENT) return ImageNotFound(name);
  if (result == -EBUSY) {
    ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenReadOnly(session, name));
    ASSIGN_OR_RETURN(const std::vector<std::string> addresses, image.Watchers());
    return ImageInUse(name, addresses);
  }
  return CephStatus(result, absl::StrCat("move image ", name.ToString(), " to the trash"),
                    session.entity());
}

absl::StatusOr<std::vector<TrashedImage>> ListTrashedImages(const RadosSession& session,
                                                            const std::string& pool,
                                                            const std::string& after,
                                                            size_t limit) {
  ASSIGN_OR_RETURN(const PoolHandle handle, session.OpenPool(pool));
  std::vector<rbd_trash_image_info_t> list(256);
  size_t count = list.size();
  int result = 0;
  while ((result = rbd_trash_list(handle.get(), list.data(), &count)) == -ERANGE)
    list.resize(count);
  RETURN_IF_ERROR(
      CephStatus(result, absl::StrCat("list the trash of pool ", pool), session.entity()));
  std::vector<TrashedImage> images;
  for (size_t i = 0; i < count; ++i) {
    if (list[i].id > after) images.push_back(FromRbd(list[i]));
  }
  rbd_trash_list_cleanup(list.data(), count);
  std::sort(images.begin(), images.end(),
            [](const TrashedImage& a, const TrashedImage& b) { return a.id < b.id; });
  if (images.size() > limit) images.resize(limit);
  return images;
}

absl::Status RemoveTrashedImage(const RadosSession& session, const std::string& pool,
                                const std::string& id) {
  ASSIGN_OR_RETURN(const PoolHandle handle, session.OpenPool(pool));
  rados_set_pool_full_try(handle.get());
  rbd_trash_image_info_t info;
  int result = rbd_trash_get(handle.get(), id.c_str(), &info);
  if (result == -ENOENT) return TrashedImageNotFound(pool, id);
  RETURN_IF_ERROR(
      CephStatus(result, absl::StrCat("look into the trash of pool ", pool), session.entity()));
  const TrashedImage trashed = FromRbd(info);
  rbd_trash_get_cleanup(&info);

  const ImageName name{pool, "", trashed.name};
  result = rbd_trash_remove(handle.get(), id.c_str(), /*force=*/false);
  if (result == -ENOTEMPTY) {
    RETURN_IF_ERROR(RemoveSnapshots(session, pool, id));
    result = rbd_trash_remove(handle.get(), id.c_str(), /*force=*/false);
  }
  switch (result) {
    case -ENOENT:
      return TrashedImageNotFound(pool, id);
    case -EPERM:
    case -EACCES:
      if (absl::Now() < trashed.kept_until) return TrashKept(pool, trashed);
      break;
    case -ENOTEMPTY: {
      ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenTrashed(session, pool, id));
      ASSIGN_OR_RETURN(const std::vector<std::string> names, image.SnapshotNames());
      return ImageHasSnapshots(name, names);
    }
    case -EBUSY: {
      ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenTrashed(session, pool, id));
      ASSIGN_OR_RETURN(const std::vector<std::string> addresses, image.Watchers());
      return ImageInUse(name, addresses);
    }
    default:
      break;
  }
  return CephStatus(result, absl::StrCat("remove image ", name.ToString(), " from the trash"),
                    session.entity());
}

absl::Status RestoreTrashedImage(const RadosSession& session, const std::string& pool,
                                 const std::string& id, const std::string& name) {
  ASSIGN_OR_RETURN(const PoolHandle handle, session.OpenPool(pool));
  const int result = rbd_trash_restore(handle.get(), id.c_str(), name.c_str());
  if (result == -ENOENT) return TrashedImageNotFound(pool, id);
  if (result == -EEXIST) return ImageExists({pool, "", name});
  return CephStatus(result, absl::StrCat("restore image ", pool, "/", name, " from the trash"),
                    session.entity());
}

}  // namespace hvagent::block
