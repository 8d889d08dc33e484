#include "agent/operations/volume_create.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/operations/sha256.h"
#include "agent/operations/volume_names.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace hvagent::operations {
namespace {

// As cinder's.
constexpr Bytes kObjectSize = MiB(4);

// What the request comes down to.
struct Wish {
  Uuid id;
  uint32_t size_gib = 0;
  // "image/jammy"; the same text for the same source.
  std::string source = "blank";
  // What is cloned; none for a blank volume.
  std::optional<block::SnapshotName> parent;
  // The volume of which `parent` is made first.
  std::optional<Uuid> source_volume;
};

absl::StatusOr<Wish> WishOf(const v1::CreateVolumeRequest& request, ImageCatalog& images,
                            VolumeCatalog& volumes) {
  Wish wish;
  ASSIGN_OR_RETURN(wish.id, ParseId("id", request.id()));
  RETURN_IF_ERROR(CheckSizeGib(request.size_gib()));
  wish.size_gib = request.size_gib();
  const v1::VolumeSource& source = request.source();
  switch (source.from_case()) {
    case v1::VolumeSource::kImageId:
      RETURN_IF_ERROR(CheckImageId("source.image_id", source.image_id()));
      wish.source = absl::StrCat("image/", source.image_id());
      wish.parent = {images.NameOf(source.image_id()), kGoldenSnapshot};
      break;
    case v1::VolumeSource::kSnapshot: {
      ASSIGN_OR_RETURN(const Uuid volume,
                       ParseId("source.snapshot.volume_id", source.snapshot().volume_id()));
      ASSIGN_OR_RETURN(const Uuid snapshot,
                       ParseId("source.snapshot.snapshot_id", source.snapshot().snapshot_id()));
      wish.source = absl::StrCat("snapshot/", volume.ToString(), "@", snapshot.ToString());
      wish.parent = volumes.SnapshotNameOf(volume, snapshot);
      break;
    }
    case v1::VolumeSource::kVolumeId: {
      ASSIGN_OR_RETURN(wish.source_volume, ParseId("source.volume_id", source.volume_id()));
      if (*wish.source_volume == wish.id) {
        return InvalidField("source.volume_id", "is the new volume itself");
      }
      wish.source = absl::StrCat("volume/", wish.source_volume->ToString());
      wish.parent = {volumes.NameOf(*wish.source_volume), CloneSnapshotName(wish.id)};
      break;
    }
    case v1::VolumeSource::FROM_NOT_SET:
      break;
  }
  return wish;
}

class Creation {
 public:
  Creation(Wish wish, VolumeCatalog& volumes)
      : wish_(std::move(wish)),
        volumes_(volumes),
        block_(volumes.block()),
        final_(volumes.NameOf(wish_.id)),
        staged_(StagedName()) {}

  absl::StatusOr<v1::Volume> Run(bool dry_run) {
    // A volume that is there needs its source no more.
    auto existing = block_.GetImage(final_);
    if (existing.ok()) return Accept(*existing);
    if (ErrorReason(existing.status()) != "IMAGE_NOT_FOUND") return existing.status();
    RETURN_IF_ERROR(CheckSource());
    if (dry_run) return Planned();
    if (absl::Status made = Make(); !made.ok()) {
      TakeBack();
      return made;
    }
    return Publish();
  }

 private:
  block::ImageName StagedName() const {
    Sha256 hash;
    hash.Update(absl::StrCat(wish_.id.ToString(), " ", wish_.size_gib, " ", wish_.source));
    return {final_.pool, "", absl::StrCat(kStagedVolumePrefix, hash.HexDigest().substr(0, 32))};
  }

  std::map<std::string, std::string> Metadata() const {
    return {{kVolumeKey, wish_.id.ToString()},
            {kVolumeSizeKey, absl::StrCat(wish_.size_gib)},
            {kVolumeSourceKey, wish_.source}};
  }

  // The volume that is there, if it is the one that was asked for.
  absl::StatusOr<v1::Volume> Accept(const block::ImageInfo& info) const {
    const std::string named = absl::StrCat("volume ", wish_.id.ToString(), " exists");
    if (!IsMarked(wish_.id, info)) {
      return Error(absl::StatusCode::kAlreadyExists, "VOLUME_EXISTS",
                   absl::StrCat(named, " and was not made by an agent: choose another id"));
    }
    std::vector<std::string> differing;
    const auto compare = [&](const char* key, const char* field, const std::string& wanted) {
      const auto found = info.metadata.find(key);
      const std::string had = found == info.metadata.end() ? "unknown" : found->second;
      if (had != wanted) {
        differing.push_back(absl::StrCat(field, " (", had, ", not ", wanted, ")"));
      }
    };
    compare(kVolumeSizeKey, "size_gib", absl::StrCat(wish_.size_gib));
    compare(kVolumeSourceKey, "source", wish_.source);
    if (differing.empty()) return volumes_.ToProto(wish_.id, info);
    return Error(absl::StatusCode::kAlreadyExists, "VOLUME_EXISTS",
                 absl::StrCat(named, " and was made with another ", absl::StrJoin(differing, ", "),
                              ": choose another id, or delete it first"));
  }

  // Before anything is made: that the source is there, can be cloned, and fits.
  absl::Status CheckSource() {
    if (!wish_.parent.has_value()) return CheckPool();
    if (wish_.source_volume.has_value()) {
      ASSIGN_OR_RETURN(const block::ImageInfo source, volumes_.Find(*wish_.source_volume));
      return CheckFits(source.size);
    }
    ASSIGN_OR_RETURN(const block::SnapshotInfo snapshot, block_.GetSnapshot(*wish_.parent));
    if (!snapshot.is_protected) {
      return Error(
          absl::StatusCode::kFailedPrecondition, "SNAPSHOT_NOT_PROTECTED",
          absl::StrCat("snapshot ", wish_.parent->ToString(),
                       " is not protected: run `rbd snap protect ", wish_.parent->ToString(), "`"));
    }
    return CheckFits(snapshot.size);
  }

  absl::Status CheckPool() { return block_.ListImages(final_.pool, "", 0).status(); }

  absl::Status CheckFits(Bytes source) const {
    if (source <= GiB(wish_.size_gib)) return absl::OkStatus();
    return InvalidField("size_gib", absl::StrCat(wish_.size_gib, " GiB is smaller than ",
                                                 wish_.source, " of ", source.count(), " bytes"));
  }

  v1::Volume Planned() const {
    const block::ImageInfo info{
        .size = GiB(wish_.size_gib), .parent = wish_.parent, .metadata = Metadata()};
    v1::Volume volume = volumes_.ToProto(wish_.id, info);
    volume.clear_create_time();
    return volume;
  }

  absl::Status Make() {
    if (wish_.source_volume.has_value()) {
      RETURN_IF_ERROR(block_.CreateProtectedSnapshot(*wish_.parent));
    }
    const absl::Status made = wish_.parent.has_value()
                                  ? block_.CloneImage(*wish_.parent, staged_)
                                  : block_.CreateImage(staged_, GiB(wish_.size_gib), kObjectSize);
    // One of this name was made by the same request, and is gone on with.
    if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
    return block_.AmendImage(staged_, {GiB(wish_.size_gib), Metadata()});
  }

  absl::StatusOr<v1::Volume> Publish() {
    const absl::Status renamed = block_.RenameImage(staged_, final_.name);
    if (!renamed.ok()) {
      // An answer that was lost, or the same request at the same time: look who won.
      auto found = block_.GetImage(final_);
      if (absl::IsNotFound(found.status()) && absl::IsNotFound(renamed)) {
        return Error(absl::StatusCode::kAborted, "VOLUME_CHANGED",
                     absl::StrCat("volume ", wish_.id.ToString(),
                                  " was made or undone by another call meanwhile; try again"));
      }
      if (!found.ok()) return renamed;
      TakeBack();
      return Accept(*found);
    }
    return volumes_.Get(wish_.id);
  }

  // As far as it can be. What remains, the same request finishes; the snapshot goes with its
  // volume, and stays while a volume is cloned from it.
  void TakeBack() {
    const absl::Status removed = block_.RemoveImage(staged_);
    LOG_IF(WARNING, !removed.ok() && !absl::IsNotFound(removed))
        << "cannot remove " << staged_.ToString() << ", which was to become " << final_.ToString()
        << ": " << removed;
    if (!wish_.source_volume.has_value()) return;
    const absl::Status unsnapped = block_.RemoveSnapshot(*wish_.parent);
    LOG_IF(WARNING, !unsnapped.ok() && ErrorReason(unsnapped) != "IMAGE_HAS_CHILDREN")
        << "cannot remove " << wish_.parent->ToString() << ", from which " << final_.ToString()
        << " was to be cloned: " << unsnapped;
  }

  const Wish wish_;
  VolumeCatalog& volumes_;
  block::BlockStore& block_;
  const block::ImageName final_;
  const block::ImageName staged_;
};

}  // namespace

absl::StatusOr<v1::Volume> CreateVolume(const v1::CreateVolumeRequest& request,
                                        ImageCatalog& images, VolumeCatalog& volumes) {
  ASSIGN_OR_RETURN(Wish wish, WishOf(request, images, volumes));
  return Creation(std::move(wish), volumes).Run(request.dry_run());
}

}  // namespace hvagent::operations
