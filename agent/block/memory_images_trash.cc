// MemoryImages: flattening, and the trash of images and of snapshots.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/block/block_error.h"
#include "agent/block/memory_images.h"
#include "base/status_macros.h"

namespace hvagent::block {

void MemoryImages::ReleaseParent(const std::optional<Parent>& parent) {
  if (!parent.has_value()) return;
  const auto release = [&](Image& image) {
    if (image.id != parent->image_id || !ChildrenOf(image, parent->snapshot).empty()) return;
    std::erase_if(image.snapshots, [&](const Snapshot& snapshot) {
      return snapshot.in_trash && snapshot.info.name == parent->snapshot;
    });
  };
  for (auto& [name, image] : images_) release(image);
  for (auto& [key, trashed] : trash_) release(trashed.image);
}

absl::Status MemoryImages::MoveSnapshotToTrash(const SnapshotName& name) {
  ASSIGN_OR_RETURN(Image * image, Find(name.image));
  if (ChildrenOf(*image, name.snapshot).empty()) return RemoveSnapshot(name);
  for (Snapshot& snapshot : image->snapshots) {
    if (snapshot.info.name == name.snapshot) snapshot.in_trash = true;
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> MemoryImages::MeasureSnapshot(const SnapshotName& name) const {
  RETURN_IF_ERROR(Find(name).status());
  ASSIGN_OR_RETURN(const Image* image, Find(name.image));
  const Content* before = nullptr;
  for (const Snapshot& snapshot : image->snapshots) {
    if (snapshot.info.name != name.snapshot) {
      before = snapshot.content.get();
      continue;
    }
    const Content& content = *snapshot.content;
    uint64_t written = 0;
    for (const auto& [number, object] : content.objects) {
      const auto same = before == nullptr ? content.objects.end() : before->objects.find(number);
      if (before != nullptr && same != before->objects.end() && same->second == object) continue;
      const uint64_t start = number * content.object_size.count();
      written += std::min(content.object_size.count(), content.size.count() - start);
    }
    return Bytes(written);
  }
  return SnapshotNotFound(name);
}

absl::Status MemoryImages::FlattenImage(const ImageName& name, const FlattenProgress& progress) {
  ASSIGN_OR_RETURN(Image * image, Find(name));
  Content& content = image->content;
  if (content.parent == nullptr) return absl::OkStatus();
  const Bytes step = content.object_size;
  for (uint64_t at = 0; at < content.overlap.count(); at += step.count()) {
    if (!progress(Bytes(at), content.overlap)) return FlattenStopped(name);
    if (content.HoldsData(at, step.count())) content.OwnObject(at / step.count());
  }
  const std::optional<Parent> parent = std::exchange(image->parent, std::nullopt);
  content.parent = nullptr;
  content.overlap = Bytes(0);
  ReleaseParent(parent);
  return absl::OkStatus();
}

absl::Status MemoryImages::MoveToTrash(const ImageName& name, absl::Duration delay,
                                       absl::Time now) {
  ASSIGN_OR_RETURN(const Image* image, Find(name));
  if (!image->watchers.empty()) {
    return ImageInUse(name, {image->watchers.begin(), image->watchers.end()});
  }
  const std::string id = absl::StrCat(absl::Hex(image->id, absl::kZeroPad12));
  trash_.emplace(TrashKey{name.pool, id},
                 Trashed{{id, name.name, now, now + delay}, name, std::move(images_.at(name))});
  images_.erase(name);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TrashedImage>> MemoryImages::ListTrash(const std::string& pool,
                                                                  const std::string& after,
                                                                  size_t limit) const {
  RETURN_IF_ERROR(CheckPool(pool));
  std::vector<TrashedImage> list;
  for (auto next = trash_.upper_bound({pool, after});
       next != trash_.end() && next->first.first == pool && list.size() < limit; ++next) {
    list.push_back(next->second.info);
  }
  return list;
}

absl::StatusOr<ImageInfo> MemoryImages::GetTrashedImage(const std::string& pool,
                                                        const std::string& id) const {
  RETURN_IF_ERROR(CheckPool(pool));
  const auto found = trash_.find({pool, id});
  if (found == trash_.end()) return TrashedImageNotFound(pool, id);
  return Describe(found->second.image);
}

absl::Status MemoryImages::RemoveFromTrash(const std::string& pool, const std::string& id,
                                           absl::Time now) {
  RETURN_IF_ERROR(CheckPool(pool));
  const auto found = trash_.find({pool, id});
  if (found == trash_.end()) return TrashedImageNotFound(pool, id);
  Trashed& trashed = found->second;
  if (now < trashed.info.kept_until) return TrashKept(pool, trashed.info);
  for (Snapshot& snapshot : trashed.image.snapshots) snapshot.in_trash = true;
  std::erase_if(trashed.image.snapshots, [&](const Snapshot& snapshot) {
    return ChildrenOf(trashed.image, snapshot.info.name).empty();
  });
  if (!trashed.image.snapshots.empty()) {
    std::vector<std::string> names;
    for (const Snapshot& snapshot : trashed.image.snapshots) names.push_back(snapshot.info.name);
    return ImageHasSnapshots(trashed.name, names);
  }
  const std::optional<Parent> parent = trashed.image.parent;
  trash_.erase(found);
  ReleaseParent(parent);
  return absl::OkStatus();
}

absl::Status MemoryImages::RestoreFromTrash(const std::string& pool, const std::string& id,
                                            const std::string& name) {
  RETURN_IF_ERROR(CheckPool(pool));
  const auto found = trash_.find({pool, id});
  if (found == trash_.end()) return TrashedImageNotFound(pool, id);
  RETURN_IF_ERROR(CheckFree({pool, "", name}));
  images_.emplace(ImageName{pool, "", name}, std::move(found->second.image));
  trash_.erase(found);
  return absl::OkStatus();
}

}  // namespace hvagent::block
