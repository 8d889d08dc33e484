#include "agent/block/rbd_image.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/block/block_error.h"
#include "agent/block/rbd_error.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::block {

absl::StatusOr<RbdImage> RbdImage::Open(const RadosSession& session, const ImageName& name,
                                        OpenCall open, const char* snapshot) {
  RbdImage image(session, name);
  ASSIGN_OR_RETURN(image.pool_, session.OpenPool(name.pool, name.rados_namespace));
  rbd_image_t handle = nullptr;
  const int result = open(image.pool_.get(), name.name.c_str(), &handle, snapshot);
  if (result == -ENOENT && snapshot == nullptr) return ImageNotFound(name);
  RETURN_IF_ERROR(image.ToStatus(result, "open"));
  image.image_.reset(handle);
  return image;
}

absl::StatusOr<RbdImage> RbdImage::Open(const RadosSession& session, const ImageName& name) {
  return Open(session, name, rbd_open, nullptr);
}

absl::StatusOr<RbdImage> RbdImage::OpenReadOnly(const RadosSession& session,
                                                const ImageName& name) {
  return Open(session, name, rbd_open_read_only, nullptr);
}

absl::StatusOr<RbdImage> RbdImage::OpenReadOnly(const RadosSession& session,
                                                const SnapshotName& name) {
  absl::StatusOr<RbdImage> image =
      Open(session, name.image, rbd_open_read_only, name.snapshot.c_str());
  if (absl::IsNotFound(image.status()) && !ErrorReason(image.status()).has_value()) {
    return SnapshotNotFound(name);
  }
  return image;
}

absl::StatusOr<RbdImage> RbdImage::OpenTrashed(const RadosSession& session, const std::string& pool,
                                               const std::string& id) {
  return OpenTrashed(session, pool, id, rbd_open_by_id_read_only);
}

absl::StatusOr<RbdImage> RbdImage::OpenTrashedToWrite(const RadosSession& session,
                                                      const std::string& pool,
                                                      const std::string& id) {
  return OpenTrashed(session, pool, id, rbd_open_by_id);
}

absl::StatusOr<RbdImage> RbdImage::OpenTrashed(const RadosSession& session, const std::string& pool,
                                               const std::string& id, OpenCall open) {
  RbdImage image(session, {pool, "", id});
  ASSIGN_OR_RETURN(image.pool_, session.OpenPool(pool));
  rbd_image_t handle = nullptr;
  const int result = open(image.pool_.get(), id.c_str(), &handle, nullptr);
  if (result == -ENOENT) return TrashedImageNotFound(pool, id);
  RETURN_IF_ERROR(image.ToStatus(result, "open"));
  image.image_.reset(handle);
  return image;
}

absl::Status RbdImage::ToStatus(int result, absl::string_view action) const {
  if (result >= 0) return absl::OkStatus();
  return CephStatus(result, absl::StrCat(action, " image ", name_.ToString()), session_->entity());
}

absl::Status RbdImage::Close() && { return ToStatus(rbd_close(image_.release()), "close"); }

absl::StatusOr<Bytes> RbdImage::Size() const {
  uint64_t size = 0;
  RETURN_IF_ERROR(ToStatus(rbd_get_size(image_.get(), &size), "get the size of"));
  return Bytes(size);
}

absl::StatusOr<Bytes> RbdImage::ObjectSize() const {
  rbd_image_info_t info;
  RETURN_IF_ERROR(ToStatus(rbd_stat(image_.get(), &info, sizeof(info)), "look at"));
  return Bytes(info.obj_size);
}

absl::StatusOr<absl::Time> RbdImage::CreateTime() const {
  struct timespec time;
  RETURN_IF_ERROR(
      ToStatus(rbd_get_create_timestamp(image_.get(), &time), "get the creation time of"));
  return absl::TimeFromTimespec(time);
}

absl::StatusOr<std::optional<RbdImage::ParentInfo>> RbdImage::Parent() const {
  rbd_linked_image_spec_t image;
  rbd_snap_spec_t snapshot;
  const int result = rbd_get_parent(image_.get(), &image, &snapshot);
  if (result == -ENOENT) return std::nullopt;
  RETURN_IF_ERROR(ToStatus(result, "get the parent of"));
  ParentInfo parent{{{image.pool_name, image.pool_namespace, image.image_name}, snapshot.name},
                    image.trash};
  rbd_linked_image_spec_cleanup(&image);
  rbd_snap_spec_cleanup(&snapshot);
  return parent;
}

absl::StatusOr<std::vector<RbdImage::ListedSnapshot>> RbdImage::ListSnapshots() const {
  std::vector<rbd_snap_info_t> list(8);
  int capacity = static_cast<int>(list.size());
  int count = 0;
  while ((count = rbd_snap_list(image_.get(), list.data(), &capacity)) == -ERANGE) {
    list.resize(capacity);
  }
  RETURN_IF_ERROR(ToStatus(count, "list the snapshots of"));
  std::vector<ListedSnapshot> snapshots;
  for (int i = 0; i < count; ++i)
    snapshots.push_back({list[i].id, Bytes(list[i].size), list[i].name});
  rbd_snap_list_end(list.data());
  return snapshots;
}

absl::StatusOr<std::vector<SnapshotInfo>> RbdImage::Snapshots() const {
  ASSIGN_OR_RETURN(const std::vector<ListedSnapshot> list, ListSnapshots());
  std::vector<SnapshotInfo> snapshots;
  for (const ListedSnapshot& listed : list) {
    rbd_snap_namespace_type_t kind;
    RETURN_IF_ERROR(ToStatus(rbd_snap_get_namespace_type(image_.get(), listed.id, &kind),
                             "list the snapshots of"));
    if (kind != RBD_SNAP_NAMESPACE_TYPE_USER) continue;
    int is_protected = 0;
    RETURN_IF_ERROR(
        ToStatus(rbd_snap_is_protected(image_.get(), listed.name.c_str(), &is_protected),
                 "list the snapshots of"));
    struct timespec time;
    RETURN_IF_ERROR(
        ToStatus(rbd_snap_get_timestamp(image_.get(), listed.id, &time), "list the snapshots of"));
    snapshots.push_back(
        {listed.name, listed.size, is_protected != 0, absl::TimeFromTimespec(time)});
  }
  return snapshots;
}

absl::StatusOr<std::vector<std::string>> RbdImage::SnapshotNames() const {
  ASSIGN_OR_RETURN(const std::vector<ListedSnapshot> list, ListSnapshots());
  std::vector<std::string> names;
  for (const ListedSnapshot& listed : list) names.push_back(listed.name);
  return names;
}

absl::StatusOr<bool> RbdImage::HasTrashedSnapshots() const {
  ASSIGN_OR_RETURN(const std::vector<ListedSnapshot> list, ListSnapshots());
  for (const ListedSnapshot& listed : list) {
    rbd_snap_namespace_type_t kind;
    RETURN_IF_ERROR(ToStatus(rbd_snap_get_namespace_type(image_.get(), listed.id, &kind),
                             "list the snapshots of"));
    if (kind == RBD_SNAP_NAMESPACE_TYPE_TRASH) return true;
  }
  return false;
}

absl::StatusOr<std::map<std::string, std::string>> RbdImage::Metadata() const {
  std::string keys(1024, '\0');
  std::string values(4096, '\0');
  size_t keys_size = keys.size();
  size_t values_size = values.size();
  int result = 0;
  while ((result = rbd_metadata_list(image_.get(), "", 0, keys.data(), &keys_size, values.data(),
                                     &values_size)) == -ERANGE) {
    keys.resize(keys_size);
    values.resize(values_size);
  }
  RETURN_IF_ERROR(ToStatus(result, "read the metadata of"));

  // Each entry has a NUL after it.
  const std::vector<absl::string_view> key_list =
      absl::StrSplit(absl::string_view(keys).substr(0, keys_size), '\0');
  const std::vector<absl::string_view> value_list =
      absl::StrSplit(absl::string_view(values).substr(0, values_size), '\0');
  std::map<std::string, std::string> metadata;
  for (size_t i = 0; i + 1 < key_list.size() && i + 1 < value_list.size(); ++i) {
    metadata.emplace(key_list[i], value_list[i]);
  }
  return metadata;
}

absl::Status RbdImage::SetMetadata(const std::string& key, const std::string& value) {
  return ToStatus(rbd_metadata_set(image_.get(), key.c_str(), value.c_str()),
                  "set the metadata of");
}

absl::Status RbdImage::RemoveMetadata(const std::string& key) {
  const int result = rbd_metadata_remove(image_.get(), key.c_str());
  return result == -ENOENT ? absl::OkStatus() : ToStatus(result, "take away metadata of");
}

absl::Status RbdImage::Resize(Bytes size) {
  return ToStatus(rbd_resize(image_.get(), size.count()), "resize");
}

namespace {

// What librbd's callbacks of Flatten and MeasureChanges work on.
struct Flattening {
  const FlattenProgress& progress;
  Bytes object_size;
  bool stopped = false;
};

// librbd counts in objects here.
int OnFlattened(uint64_t done, uint64_t total, void* argument) noexcept {
  auto& flattening = *static_cast<Flattening*>(argument);
  const uint64_t object = flattening.object_size.count();
  if (flattening.progress(Bytes(done * object), Bytes(total * object))) return 0;
  flattening.stopped = true;
  return -ECANCELED;
}

// librbd calls it however little it is wanted.
int OnQuiesced(uint64_t /*done*/, uint64_t /*total*/, void* /*argument*/) noexcept { return 0; }

int OnExtent(uint64_t /*offset*/, size_t length, int exists, void* argument) noexcept {
  if (exists != 0) *static_cast<uint64_t*>(argument) += length;
  return 0;
}

}  // namespace

absl::Status RbdImage::Flatten(const FlattenProgress& progress) {
  ASSIGN_OR_RETURN(const Bytes object_size, ObjectSize());
  Flattening flattening{progress, object_size};
  const int result = rbd_flatten_with_progress(image_.get(), OnFlattened, &flattening);
  if (result < 0 && flattening.stopped) return FlattenStopped(name_);
  return ToStatus(result, "flatten");
}

absl::StatusOr<Bytes> RbdImage::MeasureChanges(const std::string& since) const {
  ASSIGN_OR_RETURN(const Bytes size, Size());
  uint64_t changed = 0;
  RETURN_IF_ERROR(ToStatus(
      rbd_diff_iterate2(image_.get(), since.empty() ? nullptr : since.c_str(), 0, size.count(),
                        /*include_parent=*/0, /*whole_object=*/1, OnExtent, &changed),
      "measure"));
  return Bytes(changed);
}

absl::Status RbdImage::Lock() {
  uint64_t features = 0;
  RETURN_IF_ERROR(ToStatus(rbd_get_features(image_.get(), &features), "get the features of"));
  if ((features & RBD_FEATURE_EXCLUSIVE_LOCK) == 0) return absl::OkStatus();
  return ToStatus(rbd_lock_acquire(image_.get(), RBD_LOCK_MODE_EXCLUSIVE), "lock");
}

absl::StatusOr<std::string> RbdImage::Read(uint64_t offset_bytes, size_t length_bytes) const {
  ASSIGN_OR_RETURN(const Bytes size, Size());
  if (offset_bytes >= size.count()) return "";
  std::string data(std::min<uint64_t>(length_bytes, size.count() - offset_bytes), '\0');
  const ssize_t result = rbd_read(image_.get(), offset_bytes, data.size(), data.data());
  RETURN_IF_ERROR(ToStatus(static_cast<int>(result), "read"));
  data.resize(result);
  return data;
}

absl::StatusOr<std::vector<std::string>> RbdImage::Watchers() const {
  std::vector<rbd_image_watcher_t> list(8);
  size_t count = list.size();
  int result = 0;
  while ((result = rbd_watchers_list(image_.get(), list.data(), &count)) == -ERANGE) {
    list.resize(count);
  }
  RETURN_IF_ERROR(ToStatus(result, "list the watchers of"));
  std::vector<std::string> addresses;
  for (size_t i = 0; i < count; ++i) addresses.emplace_back(list[i].addr);
  rbd_watchers_list_cleanup(list.data(), count);
  return addresses;
}

absl::StatusOr<std::vector<Child>> RbdImage::Children() const {
  std::vector<rbd_linked_image_spec_t> list(8);
  size_t count = list.size();
  int result = 0;
  while ((result = rbd_list_children3(image_.get(), list.data(), &count)) == -ERANGE) {
    list.resize(count);
  }
  RETURN_IF_ERROR(ToStatus(result, "list the clones of"));
  std::vector<Child> children;
  for (size_t i = 0; i < count; ++i) {
    children.push_back({{list[i].pool_name, list[i].pool_namespace, list[i].image_name},
                        list[i].trash ? list[i].image_id : ""});
  }
  rbd_linked_image_spec_list_cleanup(list.data(), count);
  return children;
}

absl::Status RbdImage::CreateSnapshot(const std::string& snapshot, Quiesce quiesce) {
  const uint32_t flags = quiesce == Quiesce::kNobody ? RBD_SNAP_CREATE_SKIP_QUIESCE : 0;
  const int result = rbd_snap_create2(image_.get(), snapshot.c_str(), flags, OnQuiesced, nullptr);
  return result == -EEXIST ? absl::OkStatus() : ToStatus(result, "make a snapshot of");
}

absl::Status RbdImage::Protect(const std::string& snapshot) {
  const int result = rbd_snap_protect(image_.get(), snapshot.c_str());
  return result == -EBUSY ? absl::OkStatus() : ToStatus(result, "protect a snapshot of");
}

absl::Status RbdImage::Unprotect(const std::string& snapshot) {
  // Not only where is_protected says so: that is false, too, for one that somebody began to
  // unprotect and did not finish, and such a one cannot be removed.
  const int result = rbd_snap_unprotect(image_.get(), snapshot.c_str());
  return result == -EINVAL ? absl::OkStatus() : ToStatus(result, "unprotect a snapshot of");
}

absl::Status RbdImage::RemoveSnapshot(const std::string& snapshot) {
  return ToStatus(rbd_snap_remove(image_.get(), snapshot.c_str()), "remove a snapshot of");
}

}  // namespace hvagent::block
