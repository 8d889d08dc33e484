#include "agent/block/rbd_snapshots.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/block/block_error.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

// Whether the pool is one of RBD images, whose clones we may not look for.
bool IsClosed(const RadosSession& session, const std::string& name) {
  const absl::StatusOr<PoolHandle> pool = session.OpenPool(name);
  if (!pool.ok()) return false;
  // "rbd", and whatever else it is for, each with a NUL after it.
  std::string applications(256, '\0');
  size_t size = applications.size();
  if (rados_application_list(pool->get(), applications.data(), &size) != 0) return false;
  if (!absl::StrContains(absl::StrCat(std::string(1, '\0'), applications.substr(0, size)),
                         absl::string_view("\0rbd\0", 5))) {
    return false;
  }
  // Without caps this is refused before anybody looks at what is asked. librbd asks for clones of
  // format 1 by the first of them, and for the names of those of format 2 by the second.
  const auto is_refused = [&](const char* object, const char* method) {
    char answer[1];
    const int result =
        rados_exec(pool->get(), object, "rbd", method, nullptr, 0, answer, sizeof(answer));
    return result == -EPERM || result == -EACCES;
  };
  return is_refused("rbd_children", "get_children") || is_refused("rbd_directory", "dir_get_name");
}

// An error of looking for clones, which librbd does in every pool: EPERM does not say which.
absl::Status ExplainCaps(const RadosSession& session, const SnapshotName& name,
                         const absl::Status& status) {
  if (RawCode(status, "ceph") != EPERM) return status;
  std::vector<std::string> closed;
  for (const std::string& pool : session.Pools()) {
    if (IsClosed(session, pool)) closed.push_back(pool);
  }
  if (closed.empty()) return status;
  absl::Status explained =
      Error(absl::StatusCode::kPermissionDenied, "CEPH_CAPS",
            absl::StrCat("whether snapshot ", name.ToString(), " has clones is not known: ",
                         session.entity(), " may not look for them in pool ", FirstOf(closed),
                         "; give it osd caps `profile rbd pool=", closed.front(),
                         "`, and see ceph auth get ", session.entity()));
  SetRawCode(explained, "ceph", EPERM);
  return explained;
}

// The clones of one snapshot of `image`.
absl::StatusOr<std::vector<Child>> FindChildren(const RadosSession& session, const RbdImage& image,
                                                const SnapshotName& name) {
  // Those of all its snapshots first. Mostly there are none, and a snapshot that was interrupted
  // in the making can be removed but not opened.
  absl::StatusOr<std::vector<Child>> children = image.Children();
  if (!children.ok()) return ExplainCaps(session, name, children.status());
  if (children->empty()) return children;
  ASSIGN_OR_RETURN(const RbdImage snapshot, RbdImage::OpenReadOnly(session, name));
  children = snapshot.Children();
  if (!children.ok()) return ExplainCaps(session, name, children.status());
  return children;
}

}  // namespace

absl::StatusOr<SnapshotInfo> FindSnapshot(const RbdImage& image, const SnapshotName& name) {
  // The whole image, and not only this snapshot of it, is open: that takes no operation more, and
  // tells a missing snapshot from a missing image.
  ASSIGN_OR_RETURN(std::vector<SnapshotInfo> snapshots, image.Snapshots());
  for (SnapshotInfo& snapshot : snapshots) {
    if (snapshot.name == name.snapshot) return std::move(snapshot);
  }
  return SnapshotNotFound(name);
}

absl::StatusOr<SnapshotInfo> FindSnapshot(const RadosSession& session, const SnapshotName& name) {
  ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenReadOnly(session, name.image));
  return FindSnapshot(image, name);
}

absl::StatusOr<std::vector<Child>> ChildrenOf(const RadosSession& session,
                                              const SnapshotName& name) {
  ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenReadOnly(session, name.image));
  RETURN_IF_ERROR(FindSnapshot(image, name).status());
  return FindChildren(session, image, name);
}

absl::Status RemoveSnapshot(const RadosSession& session, const SnapshotName& name,
                            WithClones with_clones) {
  ASSIGN_OR_RETURN(RbdImage image, RbdImage::Open(session, name.image));
  const absl::Status found = FindSnapshot(image, name).status();
  if (absl::IsNotFound(found)) return absl::OkStatus();
  RETURN_IF_ERROR(found);
  if (with_clones == WithClones::kRefuse) {
    // Unprotecting finds clones of format 1 only, and removing does not mind those of format 2.
    ASSIGN_OR_RETURN(const std::vector<Child> children, FindChildren(session, image, name));
    if (!children.empty()) return ImageHasChildren(name, children);
  }
  const absl::Status unprotected = image.Unprotect(name.snapshot);
  if (RawCode(unprotected, "ceph") == EBUSY) {  // of format 1, or somebody cloned it just now
    ASSIGN_OR_RETURN(const std::vector<Child> children, FindChildren(session, image, name));
    return ImageHasChildren(name, children);
  }
  if (!unprotected.ok()) return ExplainCaps(session, name, unprotected);
  RETURN_IF_ERROR(image.RemoveSnapshot(name.snapshot));
  return std::move(image).Close();
}

absl::StatusOr<Bytes> Measure(const RadosSession& session, const SnapshotName& name) {
  std::string before;
  {
    ASSIGN_OR_RETURN(const RbdImage image, RbdImage::OpenReadOnly(session, name.image));
    ASSIGN_OR_RETURN(const std::vector<SnapshotInfo> snapshots, image.Snapshots());
    for (const SnapshotInfo& snapshot : snapshots) {
      if (snapshot.name == name.snapshot) break;
      before = snapshot.name;
    }
  }
  ASSIGN_OR_RETURN(const RbdImage snapshot, RbdImage::OpenReadOnly(session, name));
  return snapshot.MeasureChanges(before);
}

}  // namespace hvagent::block
