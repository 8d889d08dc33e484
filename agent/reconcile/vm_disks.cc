#include "agent/reconcile/vm_disks.h"

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/reconcile/no_cloud_disk.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/vm_spec.h"
#include "glog/logging.h"

namespace hvagent::reconcile {
namespace {

using block::ImageInfo;
using block::ImageName;
using block::SnapshotInfo;

constexpr char kGoldenSnapshot[] = "snap";
constexpr Bytes kConfigDriveObjectSize = MiB(4);
// How far the cluster's clock may be behind ours when a disk without a mark is taken for one that
// was made here just before a crash.
constexpr absl::Duration kClockTolerance = absl::Seconds(5);

std::optional<bool> OwnerIs(const state::VmRecord& vm, const ImageInfo& disk) {
  const std::optional<DiskMark> mark = MarkOf(disk);
  if (!mark.has_value()) return std::nullopt;
  return mark->vm == vm.uuid.ToString();
}

std::map<std::string, std::string> MarkFor(const state::VmRecord& vm) {
  return {{kOwnerKey, MarkText(vm)}};
}

std::optional<DiskMark> MarkUnder(const char* key, const ImageInfo& disk) {
  const auto found = disk.metadata.find(key);
  if (found == disk.metadata.end()) return std::nullopt;
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(found->second, absl::MaxSplits(' ', 1));
  return DiskMark{parts.first, parts.second};
}

// Whether it may have been made for the VM just before a crash.
bool IsYoung(const state::VmRecord& vm, const ImageInfo& disk) {
  return disk.snapshots.empty() && disk.create_time >= vm.create_time - kClockTolerance;
}

// A clone may have the mark from what it was cloned from.
bool WasKept(const state::VmRecord& vm, const ImageInfo& disk) {
  const std::optional<DiskMark> kept = MarkUnder(kKeptKey, disk);
  return kept.has_value() && kept->vm == vm.uuid.ToString() && !OwnerIs(vm, disk).has_value();
}

bool IsOurConfigDrive(const state::VmRecord& vm, const ImageInfo& drive) {
  if (WasKept(vm, drive)) return false;
  return OwnerIs(vm, drive).value_or(!drive.parent.has_value() && IsYoung(vm, drive));
}

absl::Status NotOurs(absl::string_view reason, const ImageName& disk) {
  return Error(absl::StatusCode::kAlreadyExists, reason,
               absl::StrCat("image ", disk.ToString(),
                            " exists and was not made for this VM; it is left alone: choose "
                            "another UUID, adopt it (root_disk.existing), or remove the image"));
}

}  // namespace

std::optional<DiskMark> MarkOf(const ImageInfo& disk) { return MarkUnder(kOwnerKey, disk); }

std::optional<DiskMark> KeptMarkOf(const ImageInfo& disk) { return MarkUnder(kKeptKey, disk); }

std::string MarkText(const state::VmRecord& vm) {
  return absl::StrCat(vm.uuid.ToString(), " ", vm.spec.node());
}

ImageName VmDisks::RootDisk(const Uuid& vm) const {
  return {vms_pool_, "", domain_xml::RootDiskName(vm)};
}

ImageName VmDisks::ConfigDrive(const Uuid& vm) const {
  return {vms_pool_, "", domain_xml::ConfigDriveName(vm)};
}

block::SnapshotName VmDisks::GoldenSnapshot(const v1::VmSpec& spec) const {
  return {{images_pool_, "", spec.root_disk().image()}, kGoldenSnapshot};
}

bool VmDisks::IsOurRootDisk(const state::VmRecord& vm, const ImageInfo& disk) const {
  if (!domain_xml::OwnsRootDisk(vm.spec) || WasKept(vm, disk)) return false;
  if (vm.spec.root_disk().image().empty()) return OwnerIs(vm, disk).value_or(false);
  return OwnerIs(vm, disk).value_or(disk.parent == GoldenSnapshot(vm.spec) && IsYoung(vm, disk));
}

absl::StatusOr<bool> VmDisks::IsThereAndOurs(const state::VmRecord& vm, const ImageName& disk) {
  const absl::StatusOr<ImageInfo> info = block_.GetImage(disk);
  if (absl::IsNotFound(info.status())) return false;
  if (!info.ok()) return info.status();
  return disk == RootDisk(vm.uuid) ? IsOurRootDisk(vm, *info) : IsOurConfigDrive(vm, *info);
}

absl::StatusOr<bool> VmDisks::HasRootDisk(const state::VmRecord& vm) {
  return IsThereAndOurs(vm, RootDisk(vm.uuid));
}

absl::Status VmDisks::CheckImage(const v1::VmSpec& spec) {
  const block::SnapshotName golden = GoldenSnapshot(spec);
  const absl::StatusOr<SnapshotInfo> snapshot = block_.GetSnapshot(golden);
  if (!snapshot.ok()) {
    if (!absl::IsNotFound(snapshot.status())) return snapshot.status();
    return Annotate(snapshot.status(), "root_disk.image");
  }
  if (!snapshot->is_protected) {
    return Error(absl::StatusCode::kFailedPrecondition, "SNAPSHOT_NOT_PROTECTED",
                 absl::StrCat("root_disk.image: snapshot ", golden.ToString(),
                              " is not protected: run `rbd snap protect ", golden.ToString(), "`"));
  }
  if (GiB(spec.root_disk().size_gib()) < snapshot->size) {
    return InvalidField(
        "root_disk.size_gib",
        absl::StrCat(spec.root_disk().size_gib(), " GiB is smaller than image ",
                     spec.root_disk().image(), " of ", snapshot->size.count(), " bytes"));
  }
  return absl::OkStatus();
}

absl::Status VmDisks::CheckRootDiskSource(const v1::VmSpec& spec) {
  const v1::RootDisk& disk = spec.root_disk();
  if (!disk.image().empty()) return CheckImage(spec);
  if (!disk.volume().empty()) {
    const ImageName volume = {volumes_pool_, "", domain_xml::VolumeName(disk.volume())};
    return Annotate(block_.GetImage(volume).status(), "root_disk.volume");
  }
  ASSIGN_OR_RETURN(const Uuid vm, Uuid::Parse(spec.uuid()));
  const absl::StatusOr<ImageInfo> found = block_.GetImage(RootDisk(vm));
  if (!found.ok()) return Annotate(found.status(), "root_disk.existing");
  const std::optional<DiskMark> mark = MarkOf(*found);
  if (disk.existing() == v1::ADOPT && mark.has_value() && mark->vm != vm.ToString()) {
    return NotOurs("ROOT_DISK_NOT_OURS", RootDisk(vm));
  }
  if (disk.size_gib() != 0 && GiB(disk.size_gib()) < found->size) {
    return InvalidField("root_disk.size_gib",
                        absl::StrCat(disk.size_gib(), " GiB is smaller than the disk to adopt, of ",
                                     found->size.count(), " bytes"));
  }
  return absl::OkStatus();
}

absl::Status VmDisks::PrepareRootDisk(const state::VmRecord& vm) {
  if (!vm.spec.root_disk().image().empty()) return CloneRootDisk(vm);
  RETURN_IF_ERROR(CheckRootDiskSource(vm.spec));
  return domain_xml::OwnsRootDisk(vm.spec) ? AdoptRootDisk(vm) : absl::OkStatus();
}

absl::Status VmDisks::AdoptRootDisk(const state::VmRecord& vm) {
  block::ImageChange change = {.metadata = MarkFor(vm), .remove_metadata = {kKeptKey}};
  if (const uint64_t size = vm.spec.root_disk().size_gib(); size != 0) {
    change.grow_to = GiB(size);
  }
  return block_.AmendImage(RootDisk(vm.uuid), change);
}

absl::Status VmDisks::CloneRootDisk(const state::VmRecord& vm) {
  const ImageName disk = RootDisk(vm.uuid);
  const absl::Status cloned = block_.CloneImage(GoldenSnapshot(vm.spec), disk);
  if (absl::IsAlreadyExists(cloned)) {
    ASSIGN_OR_RETURN(const ImageInfo info, block_.GetImage(disk));
    if (!IsOurRootDisk(vm, info)) return NotOurs("ROOT_DISK_NOT_OURS", disk);
  } else if (!cloned.ok()) {
    return WhyUnfit(vm.spec, cloned);
  }
  const absl::Status amended = block_.AmendImage(
      disk, {.grow_to = GiB(vm.spec.root_disk().size_gib()), .metadata = MarkFor(vm)});
  if (ErrorReason(amended) != "IMAGE_TOO_LARGE") return amended;
  if (cloned.ok()) {
    const absl::Status removed = block_.RemoveImage(disk);
    LOG_IF(WARNING, !removed.ok())
        << "cannot remove the clone " << disk.ToString() << " of too large an image: " << removed;
  }
  return WhyUnfit(vm.spec, amended);
}

absl::Status VmDisks::WhyUnfit(const v1::VmSpec& spec, const absl::Status& failed) {
  if (!absl::IsNotFound(failed) && !absl::IsFailedPrecondition(failed)) return failed;
  absl::Status unfit = CheckImage(spec);
  return unfit.ok() ? failed : unfit;
}

absl::Status VmDisks::PrepareConfigDrive(const state::VmRecord& vm) {
  ASSIGN_OR_RETURN(const std::string content, MakeNoCloudDisk(vm.spec));
  const ImageName drive = ConfigDrive(vm.uuid);
  const absl::Status created =
      block_.CreateImage(drive, Bytes(content.size()), kConfigDriveObjectSize);
  if (absl::IsAlreadyExists(created)) {
    ASSIGN_OR_RETURN(const ImageInfo info, block_.GetImage(drive));
    // One that was kept when a VM of this UUID was deleted is written anew.
    if (!IsOurConfigDrive(vm, info) && !WasKept(vm, info)) {
      return NotOurs("CONFIG_DRIVE_NOT_OURS", drive);
    }
    // The mark comes last, and a VM's cloud_init is fixed once it has a disk.
    if (OwnerIs(vm, info).has_value()) return absl::OkStatus();
  } else if (!created.ok()) {
    return created;
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<block::ImageWriter> writer, block_.OpenWriter(drive));
  RETURN_IF_ERROR(writer->Resize(Bytes(content.size())));
  RETURN_IF_ERROR(writer->Write(0, content));
  RETURN_IF_ERROR(writer->SetMetadata(MarkFor(vm)));
  return writer->Finish();
}

}  // namespace hvagent::reconcile
