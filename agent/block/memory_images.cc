#include "agent/block/memory_images.h"

#include <algorithm>
#include <utility>

#include "agent/block/block_error.h"
#include "base/status_macros.h"

namespace hvagent::block {

std::string MemoryImages::Content::Read(uint64_t offset_bytes, size_t length_bytes) const {
  if (offset_bytes >= size.count()) return "";
  length_bytes = std::min<uint64_t>(length_bytes, size.count() - offset_bytes);
  std::string result(length_bytes, '\0');
  for (size_t done = 0; done < length_bytes;) {
    const uint64_t at = offset_bytes + done;
    const uint64_t within = at % object_size.count();
    const size_t part = std::min<uint64_t>(length_bytes - done, object_size.count() - within);
    if (auto object = objects.find(at / object_size.count()); object != objects.end()) {
      if (within < object->second->size()) object->second->copy(&result[done], part, within);
    } else if (parent != nullptr && at < overlap.count()) {
      parent->Read(at, std::min<uint64_t>(part, overlap.count() - at)).copy(&result[done], part);
    }
    done += part;
  }
  return result;
}

std::string& MemoryImages::Content::OwnObject(uint64_t number) {
  std::shared_ptr<std::string>& object = objects[number];
  if (object == nullptr) {
    object = std::make_shared<std::string>();
    const uint64_t start = number * object_size.count();
    if (parent != nullptr && start < overlap.count()) {
      *object = parent->Read(start, std::min(object_size.count(), overlap.count() - start));
    }
  } else if (object.use_count() > 1) {
    object = std::make_shared<std::string>(*object);
  }
  return *object;
}

bool MemoryImages::Content::HoldsData(uint64_t offset_bytes, uint64_t length_bytes) const {
  const auto object = objects.lower_bound(offset_bytes / object_size.count());
  if (object != objects.end() &&
      object->first * object_size.count() < offset_bytes + length_bytes) {
    return true;
  }
  return parent != nullptr && offset_bytes < overlap.count() &&
         parent->HoldsData(offset_bytes, std::min(length_bytes, overlap.count() - offset_bytes));
}

bool MemoryImages::Content::SharesObject(const Content& other, uint64_t number) const {
  const auto mine = objects.find(number);
  const auto others = other.objects.find(number);
  if (mine == objects.end() && others == other.objects.end()) {
    return parent == other.parent && overlap == other.overlap;
  }
  return mine != objects.end() && others != other.objects.end() && mine->second == others->second &&
         size == other.size;
}

void MemoryImages::Content::Write(uint64_t offset_bytes, absl::string_view data) {
  while (!data.empty()) {
    const uint64_t within = offset_bytes % object_size.count();
    const size_t part = std::min<uint64_t>(data.size(), object_size.count() - within);
    std::string& object = OwnObject(offset_bytes / object_size.count());
    if (object.size() < within + part) object.resize(within + part);
    object.replace(within, part, data.data(), part);
    offset_bytes += part;
    data.remove_prefix(part);
  }
}

void MemoryImages::Content::Resize(Bytes to) {
  if (to < size) {
    // What is cut off must read as zeros if the image grows again.
    const uint64_t last = to.count() / object_size.count();
    const uint64_t kept = to.count() % object_size.count();
    objects.erase(objects.lower_bound(kept == 0 ? last : last + 1), objects.end());
    if (objects.count(last) > 0 && objects[last]->size() > kept) OwnObject(last).resize(kept);
    overlap = std::min(overlap, to);
  }
  size = to;
}

const MemoryImages::Snapshot* MemoryImages::Image::FindSnapshot(absl::string_view name) const {
  for (const Snapshot& snapshot : snapshots) {
    if (snapshot.info.name == name && !snapshot.in_trash) return &snapshot;
  }
  return nullptr;
}

absl::Status MemoryImages::CheckPool(const std::string& pool) const {
  return pools_.count(pool) > 0 ? absl::OkStatus() : PoolNotFound(pool);
}

absl::StatusOr<const MemoryImages::Image*> MemoryImages::Find(const ImageName& name) const {
  RETURN_IF_ERROR(CheckPool(name.pool));
  auto found = images_.find(name);
  if (found == images_.end()) return ImageNotFound(name);
  return &found->second;
}

absl::StatusOr<MemoryImages::Image*> MemoryImages::Find(const ImageName& name) {
  ASSIGN_OR_RETURN(const Image* image, std::as_const(*this).Find(name));
  return const_cast<Image*>(image);
}

absl::StatusOr<const MemoryImages::Snapshot*> MemoryImages::Find(const SnapshotName& name) const {
  ASSIGN_OR_RETURN(const Image* image, Find(name.image));
  const Snapshot* snapshot = image->FindSnapshot(name.snapshot);
  if (snapshot == nullptr) return SnapshotNotFound(name);
  return snapshot;
}

absl::Status MemoryImages::CheckFree(const ImageName& name) const {
  RETURN_IF_ERROR(CheckPool(name.pool));
  return images_.count(name) > 0 ? ImageExists(name) : absl::OkStatus();
}

std::vector<Child> MemoryImages::ChildrenOf(const Image& image, absl::string_view snapshot) const {
  const auto is_child = [&](const Image& other) {
    return other.parent.has_value() && other.parent->image_id == image.id &&
           other.parent->snapshot == snapshot;
  };
  std::vector<Child> children;
  for (const auto& [name, other] : images_) {
    if (is_child(other)) children.push_back({name, ""});
  }
  for (const auto& [key, trashed] : trash_) {
    if (is_child(trashed.image)) children.push_back({trashed.name, trashed.info.id});
  }
  return children;
}

ImageInfo MemoryImages::Describe(const Image& image) const {
  ImageInfo info;
  info.size = image.content.size;
  info.object_size = image.content.object_size;
  info.create_time = image.create_time;
  info.metadata = image.metadata;
  for (const Snapshot& snapshot : image.snapshots) {
    if (!snapshot.in_trash) info.snapshots.push_back(snapshot.info);
    info.has_trashed_snapshots |= snapshot.in_trash;
  }
  if (!image.parent.has_value()) return info;
  for (const auto& [name, other] : images_) {
    if (other.id != image.parent->image_id) continue;
    info.parent = SnapshotName{name, image.parent->snapshot};
    return info;
  }
  for (const auto& [key, trashed] : trash_) {
    if (trashed.image.id != image.parent->image_id) continue;
    info.parent = SnapshotName{trashed.name, image.parent->snapshot};
    info.parent_in_trash = true;
  }
  return info;
}

absl::StatusOr<ImageInfo> MemoryImages::GetImage(const ImageName& name) const {
  ASSIGN_OR_RETURN(const Image* image, Find(name));
  return Describe(*image);
}

absl::StatusOr<SnapshotInfo> MemoryImages::GetSnapshot(const SnapshotName& name) const {
  ASSIGN_OR_RETURN(const Snapshot* snapshot, Find(name));
  return snapshot->info;
}

absl::StatusOr<std::vector<std::string>> MemoryImages::ListImages(const std::string& pool,
                                                                  const std::string& after,
                                                                  size_t limit) const {
  RETURN_IF_ERROR(CheckPool(pool));
  std::vector<std::string> names;
  for (auto next = images_.upper_bound(ImageName{pool, "", after});
       next != images_.end() && names.size() < limit; ++next) {
    if (next->first.pool != pool || !next->first.rados_namespace.empty()) break;
    names.push_back(next->first.name);
  }
  return names;
}

absl::Status MemoryImages::CreateImage(const ImageName& name, Bytes size, Bytes object_size,
                                       absl::Time now) {
  RETURN_IF_ERROR(CheckObjectSize(object_size));
  RETURN_IF_ERROR(CheckFree(name));
  Image image;
  image.id = next_id_++;
  image.create_time = now;
  image.content.size = size;
  image.content.object_size = object_size;
  images_.emplace(name, std::move(image));
  return absl::OkStatus();
}

absl::StatusOr<std::string> MemoryImages::ReadImage(const ImageName& name, uint64_t offset_bytes,
                                                    size_t length_bytes) const {
  ASSIGN_OR_RETURN(const Image* image, Find(name));
  return image->content.Read(offset_bytes, length_bytes);
}

absl::Status MemoryImages::CloneImage(const SnapshotName& parent, const ImageName& child,
                                      absl::Time now) {
  ASSIGN_OR_RETURN(const Image* parent_image, Find(parent.image));
  ASSIGN_OR_RETURN(const Snapshot* snapshot, Find(parent));
  if (!snapshot->info.is_protected) return SnapshotNotProtected(parent);
  RETURN_IF_ERROR(CheckFree(child));
  Image image;
  image.id = next_id_++;
  image.create_time = now;
  image.content.size = snapshot->content->size;
  image.content.object_size = snapshot->content->object_size;
  image.content.parent = snapshot->content;
  image.content.overlap = snapshot->content->size;
  image.parent = Parent{parent_image->id, parent.snapshot};
  image.metadata = parent_image->metadata;
  images_.emplace(child, std::move(image));
  return absl::OkStatus();
}

absl::Status MemoryImages::AmendImage(const ImageName& name, const ImageChange& change) {
  ASSIGN_OR_RETURN(Image * image, Find(name));
  const Bytes size = image->content.size;
  if (change.grow_to.value_or(size) < size) return ImageTooLarge(name, size, *change.grow_to);
  for (const auto& [key, value] : change.metadata) image->metadata[key] = value;
  for (const std::string& key : change.remove_metadata) image->metadata.erase(key);
  if (change.grow_to > size) image->content.Resize(*change.grow_to);
  return absl::OkStatus();
}

absl::Status MemoryImages::RenameImage(const ImageName& from, const std::string& to) {
  RETURN_IF_ERROR(Find(from).status());
  const ImageName renamed{from.pool, from.rados_namespace, to};
  RETURN_IF_ERROR(CheckFree(renamed));
  auto node = images_.extract(from);
  node.key() = renamed;
  images_.insert(std::move(node));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> MemoryImages::ListWatchers(const ImageName& name) const {
  ASSIGN_OR_RETURN(const Image* image, Find(name));
  return std::vector<std::string>(image->watchers.begin(), image->watchers.end());
}

absl::Status MemoryImages::RemoveImage(const ImageName& name) {
  ASSIGN_OR_RETURN(const Image* image, Find(name));
  if (!image->snapshots.empty()) {
    std::vector<std::string> names;
    for (const Snapshot& snapshot : image->snapshots) names.push_back(snapshot.info.name);
    return ImageHasSnapshots(name, names);
  }
  if (!image->watchers.empty()) {
    return ImageInUse(name, {image->watchers.begin(), image->watchers.end()});
  }
  const std::optional<Parent> parent = image->parent;
  images_.erase(name);
  ReleaseParent(parent);
  return absl::OkStatus();
}

absl::Status MemoryImages::CreateSnapshot(const SnapshotName& name, absl::Time now) {
  ASSIGN_OR_RETURN(Image * image, Find(name.image));
  if (image->FindSnapshot(name.snapshot) != nullptr) return absl::OkStatus();
  image->snapshots.push_back({{name.snapshot, image->content.size, false, now},
                              std::make_shared<Content>(image->content)});
  return absl::OkStatus();
}

absl::Status MemoryImages::CreateProtectedSnapshot(const SnapshotName& name, absl::Time now) {
  RETURN_IF_ERROR(CreateSnapshot(name, now));
  return SetProtected(name, true);
}

absl::StatusOr<std::vector<Child>> MemoryImages::ListChildren(const SnapshotName& name) const {
  RETURN_IF_ERROR(Find(name).status());
  ASSIGN_OR_RETURN(const Image* image, Find(name.image));
  return ChildrenOf(*image, name.snapshot);
}

absl::Status MemoryImages::RemoveSnapshot(const SnapshotName& name) {
  ASSIGN_OR_RETURN(Image * image, Find(name.image));
  const std::vector<Child> children = ChildrenOf(*image, name.snapshot);
  if (!children.empty()) return ImageHasChildren(name, children);
  std::erase_if(image->snapshots, [&](const Snapshot& snapshot) {
    return snapshot.info.name == name.snapshot && !snapshot.in_trash;
  });
  return absl::OkStatus();
}

absl::StatusOr<const MemoryImages::Content*> MemoryImages::ContentAt(
    const ImageName& name, const std::string& snapshot) const {
  ASSIGN_OR_RETURN(const Image* image, Find(name));
  if (snapshot.empty()) return &image->content;
  ASSIGN_OR_RETURN(const Snapshot* found, Find(SnapshotName{name, snapshot}));
  return found->content.get();
}

absl::StatusOr<Bytes> MemoryImages::SizeAt(const ImageName& name,
                                           const std::string& snapshot) const {
  ASSIGN_OR_RETURN(const Content* content, ContentAt(name, snapshot));
  return content->size;
}

absl::StatusOr<std::string> MemoryImages::ReadAt(const ImageName& name, const std::string& snapshot,
                                                 uint64_t offset_bytes, size_t length_bytes) const {
  ASSIGN_OR_RETURN(const Content* content, ContentAt(name, snapshot));
  return content->Read(offset_bytes, length_bytes);
}

absl::StatusOr<std::vector<Extent>> MemoryImages::Diff(const ImageName& name,
                                                       const std::string& snapshot,
                                                       const std::string& since,
                                                       uint64_t offset_bytes,
                                                       uint64_t length_bytes) const {
  constexpr uint64_t kGrain = 4096;
  ASSIGN_OR_RETURN(const Content* content, ContentAt(name, snapshot));
  Content empty;
  const Content* before = &empty;
  if (!since.empty()) {
    ASSIGN_OR_RETURN(before, ContentAt(name, since));
  }
  const uint64_t object_size = content->object_size.count();
  const uint64_t end = std::min(offset_bytes + length_bytes, content->size.count());
  std::vector<Extent> extents;
  uint64_t at = offset_bytes;
  while (at < end) {
    if (content->SharesObject(*before, at / object_size)) {
      at = (at / object_size + 1) * object_size;
      continue;
    }
    const uint64_t length = std::min(kGrain, end - at);
    const std::string now = content->Read(at, length);
    std::string then = before->Read(at, length);
    then.resize(now.size());
    if (now != then) {
      const bool has_data = now.find_first_not_of('\0') != std::string::npos;
      if (!extents.empty() && extents.back().end_bytes() == at && at % object_size != 0 &&
          extents.back().has_data == has_data) {
        extents.back().length_bytes += length;
      } else {
        extents.push_back({at, length, has_data});
      }
    }
    at += length;
  }
  return extents;
}

absl::Status MemoryImages::WriteZeros(const ImageName& name, uint64_t offset_bytes,
                                      uint64_t length_bytes) {
  ASSIGN_OR_RETURN(Image * image, Find(name));
  RETURN_IF_ERROR(CheckWriteFits(name, image->content.size, offset_bytes, length_bytes));
  image->content.Write(offset_bytes, std::string(length_bytes, '\0'));
  return absl::OkStatus();
}

absl::Status MemoryImages::Write(const ImageName& name, uint64_t offset_bytes,
                                 absl::string_view data) {
  ASSIGN_OR_RETURN(Image * image, Find(name));
  RETURN_IF_ERROR(CheckWriteFits(name, image->content.size, offset_bytes, data.size()));
  image->content.Write(offset_bytes, data);
  return absl::OkStatus();
}

absl::Status MemoryImages::Resize(const ImageName& name, Bytes size) {
  ASSIGN_OR_RETURN(Image * image, Find(name));
  image->content.Resize(size);
  return absl::OkStatus();
}

void MemoryImages::AddWatcher(const ImageName& name, const std::string& address) {
  if (auto image = Find(name); image.ok()) (*image)->watchers.insert(address);
}

void MemoryImages::RemoveWatcher(const std::string& address) {
  for (auto& [name, image] : images_) image.watchers.erase(address);
}

absl::Status MemoryImages::SetProtected(const SnapshotName& name, bool is_protected) {
  ASSIGN_OR_RETURN(Image * image, Find(name.image));
  for (Snapshot& snapshot : image->snapshots) {
    if (snapshot.info.name != name.snapshot) continue;
    snapshot.info.is_protected = is_protected;
    return absl::OkStatus();
  }
  return SnapshotNotFound(name);
}

}  // namespace hvagent::block
