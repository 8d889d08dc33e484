#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "domain_xml/spec_checks.h"
#include "domain_xml/spec_parts.h"

namespace hvagent::domain_xml {
namespace {

constexpr uint64_t kMaxDiskGib = 65536;
constexpr int kMaxVolumes = 24;  // vdb to vdy; vdz is the config drive
constexpr size_t kMaxCloudInitBytes = 1 << 20;
constexpr size_t kMaxSerial = 36;  // a UUID; QEMU's SCSI disks take no more
constexpr uint32_t kMaxIothread = 16;

// The functions on `Disk` are for both v1::RootDisk and v1::VolumeAttachment.

template <typename Disk>
absl::Status CheckBus(const Disk& disk) {
  RETURN_IF_ERROR(CheckEnum("bus", disk.bus(), v1::DiskBus_IsValid));
  RETURN_IF_ERROR(CheckRange("iothread", disk.iothread(), 0, kMaxIothread));
  const bool is_virtio = disk.bus() == v1::DISK_BUS_UNSPECIFIED || disk.bus() == v1::VIRTIO;
  if (disk.iothread() != 0 && !is_virtio) {
    return InvalidField("iothread", "is for disks on the bus VIRTIO");
  }
  return absl::OkStatus();
}

template <typename Disk>
absl::Status CheckErrorPolicies(const Disk& disk) {
  RETURN_IF_ERROR(CheckEnum("error_policy", disk.error_policy(), v1::ErrorPolicy_IsValid));
  RETURN_IF_ERROR(
      CheckEnum("read_error_policy", disk.read_error_policy(), v1::ErrorPolicy_IsValid));
  if (disk.read_error_policy() == v1::ENOSPACE) {
    return InvalidField("read_error_policy", "must be STOP or REPORT: reads fill no pool");
  }
  return absl::OkStatus();
}

template <typename Disk>
absl::Status CheckDisk(const Disk& disk) {
  RETURN_IF_ERROR(CheckEnum("cache", disk.cache(), v1::CacheMode_IsValid));
  RETURN_IF_ERROR(CheckEnum("discard", disk.discard(), v1::DiscardMode_IsValid));
  RETURN_IF_ERROR(CheckEnum("detect_zeroes", disk.detect_zeroes(), v1::DetectZeroes_IsValid));
  RETURN_IF_ERROR(CheckBus(disk));
  RETURN_IF_ERROR(CheckErrorPolicies(disk));
  if (!disk.serial().empty()) {
    RETURN_IF_ERROR(CheckSystemName("serial", disk.serial(), kMaxSerial));
  }
  return PrefixField(ValidateIoLimits(disk.io_limits()), "io_limits");
}

// The disk is a clone of an image, a volume, or one that exists: exactly one of them.
absl::Status CheckRootDiskSource(const v1::RootDisk& disk) {
  RETURN_IF_ERROR(CheckEnum("existing", disk.existing(), v1::ExistingDisk_IsValid));
  const bool exists = disk.existing() != v1::EXISTING_DISK_UNSPECIFIED;
  if (!disk.volume().empty()) {
    RETURN_IF_ERROR(CheckUuid("volume", disk.volume()));
    if (exists) return InvalidField("existing", "cannot be given beside volume");
    if (!disk.image().empty()) return InvalidField("volume", "cannot be given beside image");
    if (disk.size_gib() == 0) return absl::OkStatus();
    return InvalidField("size_gib", "must be left out: a volume has its own, resize the volume");
  }
  if (exists) {
    if (!disk.image().empty()) return InvalidField("existing", "cannot be given beside image");
    if (disk.existing() == v1::ADOPT || disk.size_gib() == 0) {
      return CheckRange("size_gib", disk.size_gib(), 0, kMaxDiskGib);
    }
    return InvalidField("size_gib", "must be left out: a disk that is not adopted is not changed");
  }
  if (disk.image().empty()) {
    return InvalidField("image", "must be given, or volume or existing in its place");
  }
  RETURN_IF_ERROR(AsField("image", CheckRbdName(disk.image())));
  return CheckRange("size_gib", disk.size_gib(), 1, kMaxDiskGib);
}

absl::Status CheckVolume(const v1::VolumeAttachment& volume) {
  RETURN_IF_ERROR(CheckUuid("id", volume.id()));
  RETURN_IF_ERROR(CheckDisk(volume));
  if (volume.read_only() && volume.bus() == v1::SATA) {
    return InvalidField("read_only", "is not for the bus SATA, which has no such disks");
  }
  if (volume.shareable() && volume.cache() != v1::CACHE_MODE_UNSPECIFIED &&
      volume.cache() != v1::NONE) {
    return InvalidField("cache", "must be NONE, or left out, for a disk that is shareable");
  }
  return absl::OkStatus();
}

absl::Status CheckVolumes(const v1::VmSpec& spec) {
  if (spec.volumes_size() > kMaxVolumes) {
    return InvalidField("volumes", absl::StrCat("there may be at most ", kMaxVolumes));
  }
  std::set<std::string> ids = {absl::AsciiStrToLower(spec.root_disk().volume())};
  for (int i = 0; i < spec.volumes_size(); ++i) {
    const std::string path = absl::StrCat("volumes[", i, "]");
    RETURN_IF_ERROR(PrefixField(CheckVolume(spec.volumes(i)), path));
    if (!ids.insert(absl::AsciiStrToLower(spec.volumes(i).id())).second) {
      return InvalidField(absl::StrCat(path, ".id"), "is a volume that the VM has already");
    }
  }
  return absl::OkStatus();
}

// libvirt refuses a group whose disks state different limits.
absl::Status CheckGroups(const v1::VmSpec& spec) {
  std::map<std::string, IoTune> groups;
  const auto agrees = [&groups](const v1::IoLimits& limits) {
    const IoTune tune = ResolveIoLimits(limits);
    return tune.group.empty() || groups.emplace(tune.group, tune).first->second == tune;
  };
  agrees(spec.root_disk().io_limits());
  for (int i = 0; i < spec.volumes_size(); ++i) {
    if (!agrees(spec.volumes(i).io_limits())) {
      return InvalidField(absl::StrCat("volumes[", i, "].io_limits"),
                          "differ from those of another disk in their group");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCloudInit(const v1::CloudInit& files) {
  const size_t bytes =
      files.user_data().size() + files.meta_data().size() + files.network_config().size();
  if (bytes <= kMaxCloudInitBytes) return absl::OkStatus();
  return InvalidField("cloud_init", absl::StrCat("its files have ", bytes,
                                                 " bytes together; at most 1 MiB is allowed"));
}

template <typename Disk>
void NormalizeDisk(Disk& disk) {
  if (disk.cache() == v1::CACHE_MODE_UNSPECIFIED) disk.set_cache(v1::WRITEBACK);
  if (disk.bus() == v1::DISK_BUS_UNSPECIFIED) disk.set_bus(v1::VIRTIO);
  if (disk.error_policy() == v1::ERROR_POLICY_UNSPECIFIED) disk.set_error_policy(v1::STOP);
  if (disk.read_error_policy() == v1::ERROR_POLICY_UNSPECIFIED)
    disk.set_read_error_policy(v1::STOP);
  if (disk.io_limits().ByteSizeLong() == 0) disk.clear_io_limits();
}

CacheMode ToCacheMode(v1::CacheMode cache) {
  switch (cache) {
    case v1::NONE:
      return CacheMode::kNone;
    case v1::WRITETHROUGH:
      return CacheMode::kWritethrough;
    case v1::DIRECTSYNC:
      return CacheMode::kDirectsync;
    case v1::UNSAFE:
      return CacheMode::kUnsafe;
    default:
      return CacheMode::kWriteback;
  }
}

DiscardMode ToDiscardMode(v1::DiscardMode discard) {
  switch (discard) {
    case v1::IGNORE:
      return DiscardMode::kIgnore;
    case v1::UNMAP:
      return DiscardMode::kUnmap;
    default:
      return DiscardMode::kDefault;
  }
}

DetectZeroes ToDetectZeroes(v1::DetectZeroes detect) {
  switch (detect) {
    case v1::WRITE_ZEROES:
      return DetectZeroes::kOn;
    case v1::UNMAP_ZEROES:
      return DetectZeroes::kUnmap;
    default:
      return DetectZeroes::kOff;
  }
}

DiskBus ToDiskBus(v1::DiskBus bus) {
  switch (bus) {
    case v1::SCSI:
      return DiskBus::kScsi;
    case v1::SATA:
      return DiskBus::kSata;
    default:
      return DiskBus::kVirtio;
  }
}

ErrorPolicy ToErrorPolicy(v1::ErrorPolicy policy) {
  switch (policy) {
    case v1::REPORT:
      return ErrorPolicy::kReport;
    case v1::ENOSPACE:
      return ErrorPolicy::kEnospace;
    default:
      return ErrorPolicy::kStop;
  }
}

RbdDisk MakeDisk(const Placement& placement, std::string pool, std::string image) {
  RbdDisk disk;
  disk.pool = std::move(pool);
  disk.image = std::move(image);
  disk.monitors = placement.monitors;
  disk.auth = placement.auth;
  return disk;
}

template <typename Disk>
void Carry(const Disk& wish, RbdDisk& disk) {
  disk.cache = ToCacheMode(wish.cache());
  disk.discard = ToDiscardMode(wish.discard());
  disk.detect_zeroes = ToDetectZeroes(wish.detect_zeroes());
  disk.bus = ToDiskBus(wish.bus());
  disk.iothread = wish.iothread();
  disk.boot_order = wish.boot_order();
  disk.write_errors = ToErrorPolicy(wish.error_policy());
  disk.read_errors = ToErrorPolicy(wish.read_error_policy());
  if (!wish.serial().empty()) disk.serial = wish.serial();
  disk.io_tune = ResolveIoLimits(wish.io_limits());
}

// Gives out vda, vdb, ... and sda, sdb, ...: validation lets no VM have more disks than letters.
class Targets {
 public:
  std::string Next(DiskBus bus) {
    return bus == DiskBus::kVirtio ? absl::StrCat("vd", Letter(virtio_disks_++))
                                   : absl::StrCat("sd", Letter(other_disks_++));
  }

 private:
  static std::string Letter(int index) { return std::string(1, static_cast<char>('a' + index)); }

  int virtio_disks_ = 0;
  int other_disks_ = 0;
};

// Away from the volumes, whose number may change.
constexpr char kConfigDriveTarget[] = "vdz";

// As libvirt keeps them: the buses in the order in which they first come, the targets of each in
// theirs.
void GroupByBus(std::vector<RbdDisk>& disks) {
  auto group = disks.begin();
  while (group != disks.end()) {
    const DiskBus bus = group->bus;
    group = std::stable_partition(group, disks.end(),
                                  [bus](const RbdDisk& disk) { return disk.bus == bus; });
  }
}

RbdDisk ResolveVolume(const std::string& id, const Placement& placement) {
  RbdDisk disk = MakeDisk(placement, placement.volumes_pool, VolumeName(id));
  disk.serial = id;
  return disk;
}

}  // namespace

absl::Status ValidateDisks(const v1::VmSpec& spec) {
  if (!spec.has_root_disk()) return InvalidField("root_disk", "must be given");
  RETURN_IF_ERROR(PrefixField(CheckRootDiskSource(spec.root_disk()), "root_disk"));
  RETURN_IF_ERROR(PrefixField(CheckDisk(spec.root_disk()), "root_disk"));
  RETURN_IF_ERROR(CheckVolumes(spec));
  RETURN_IF_ERROR(CheckGroups(spec));
  return CheckCloudInit(spec.cloud_init());
}

void NormalizeDisks(v1::VmSpec& spec) {
  v1::RootDisk& root = *spec.mutable_root_disk();
  absl::AsciiStrToLower(root.mutable_volume());
  NormalizeDisk(root);
  if (root.serial() == root.volume()) root.clear_serial();
  for (v1::VolumeAttachment& volume : *spec.mutable_volumes()) {
    absl::AsciiStrToLower(volume.mutable_id());
    if (volume.shareable()) volume.set_cache(v1::NONE);
    NormalizeDisk(volume);
    if (volume.serial() == volume.id()) volume.clear_serial();
  }
}

void ResolveDisks(const v1::VmSpec& vm, const Placement& placement, DomainSpec& domain) {
  Targets targets;
  RbdDisk root = vm.root_disk().volume().empty()
                     ? MakeDisk(placement, placement.vms_pool, RootDiskName(domain.uuid))
                     : ResolveVolume(vm.root_disk().volume(), placement);
  Carry(vm.root_disk(), root);
  root.target = targets.Next(root.bus);
  domain.disks.push_back(std::move(root));
  for (const v1::VolumeAttachment& volume : vm.volumes()) {
    RbdDisk disk = ResolveVolume(volume.id(), placement);
    Carry(volume, disk);
    disk.read_only = volume.read_only();
    disk.shareable = volume.shareable();
    disk.target = targets.Next(disk.bus);
    domain.disks.push_back(std::move(disk));
  }
  if (vm.has_cloud_init()) {
    RbdDisk drive = MakeDisk(placement, placement.vms_pool, ConfigDriveName(domain.uuid));
    drive.read_only = true;
    drive.target = kConfigDriveTarget;
    domain.disks.push_back(std::move(drive));
  }
  GroupByBus(domain.disks);
}

std::string RootDiskName(const Uuid& vm) { return absl::StrCat(vm.ToString(), "_disk"); }

std::string ConfigDriveName(const Uuid& vm) { return absl::StrCat(RootDiskName(vm), ".config"); }

std::string VolumeName(absl::string_view id) { return absl::StrCat("volume-", id); }

bool OwnsRootDisk(const v1::VmSpec& spec) {
  return !spec.root_disk().image().empty() || spec.root_disk().existing() == v1::ADOPT;
}

}  // namespace hvagent::domain_xml
