#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

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

absl::Status CheckModes(int cache, int discard) {
  RETURN_IF_ERROR(CheckEnum("cache", cache, v1::CacheMode_IsValid));
  return CheckEnum("discard", discard, v1::DiscardMode_IsValid);
}

absl::Status CheckRootDisk(const v1::RootDisk& disk) {
  RETURN_IF_ERROR(AsField("image", CheckRbdName(disk.image())));
  RETURN_IF_ERROR(CheckRange("size_gib", disk.size_gib(), 1, kMaxDiskGib));
  return CheckModes(disk.cache(), disk.discard());
}

absl::Status CheckVolumes(const v1::VmSpec& spec) {
  if (spec.volumes_size() > kMaxVolumes) {
    return InvalidField("volumes", absl::StrCat("there may be at most ", kMaxVolumes));
  }
  std::set<std::string> ids;
  for (int i = 0; i < spec.volumes_size(); ++i) {
    const v1::VolumeAttachment& volume = spec.volumes(i);
    const std::string path = absl::StrCat("volumes[", i, "]");
    RETURN_IF_ERROR(PrefixField(CheckUuid("id", volume.id()), path));
    RETURN_IF_ERROR(PrefixField(CheckModes(volume.cache(), volume.discard()), path));
    if (!ids.insert(absl::AsciiStrToLower(volume.id())).second) {
      return InvalidField(absl::StrCat(path, ".id"), "is a volume that the VM has already");
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

v1::CacheMode NormalCache(v1::CacheMode cache) {
  return cache == v1::CACHE_MODE_UNSPECIFIED ? v1::WRITEBACK : cache;
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

// Away from the volumes, whose number may change.
constexpr size_t kConfigDriveIndex = 25;

// vda, vdb, ... vdz: validation lets no VM have more disks.
std::string Target(size_t index) { return absl::StrCat("vd", std::string(1, char('a' + index))); }

RbdDisk MakeDisk(const Placement& placement, std::string pool, std::string image) {
  RbdDisk disk;
  disk.pool = std::move(pool);
  disk.image = std::move(image);
  disk.monitors = placement.monitors;
  disk.auth = placement.auth;
  return disk;
}

}  // namespace

absl::Status ValidateDisks(const v1::VmSpec& spec) {
  if (!spec.has_root_disk()) return InvalidField("root_disk", "must be given");
  RETURN_IF_ERROR(PrefixField(CheckRootDisk(spec.root_disk()), "root_disk"));
  RETURN_IF_ERROR(CheckVolumes(spec));
  return CheckCloudInit(spec.cloud_init());
}

void NormalizeDisks(v1::VmSpec& spec) {
  spec.mutable_root_disk()->set_cache(NormalCache(spec.root_disk().cache()));
  for (v1::VolumeAttachment& volume : *spec.mutable_volumes()) {
    absl::AsciiStrToLower(volume.mutable_id());
    volume.set_cache(NormalCache(volume.cache()));
  }
}

void ResolveDisks(const v1::VmSpec& vm, const Placement& placement, DomainSpec& domain) {
  RbdDisk root = MakeDisk(placement, placement.vms_pool, RootDiskName(domain.uuid));
  root.cache = ToCacheMode(vm.root_disk().cache());
  root.discard = ToDiscardMode(vm.root_disk().discard());
  root.target = Target(0);
  domain.disks.push_back(std::move(root));
  for (const v1::VolumeAttachment& volume : vm.volumes()) {
    RbdDisk disk =
        MakeDisk(placement, placement.volumes_pool, VolumeDiskName(volume.id()));
    disk.cache = ToCacheMode(volume.cache());
    disk.discard = ToDiscardMode(volume.discard());
    disk.target = Target(domain.disks.size());
    disk.serial = volume.id();
    domain.disks.push_back(std::move(disk));
  }
  if (vm.has_cloud_init()) {
    RbdDisk drive = MakeDisk(placement, placement.vms_pool, ConfigDriveName(domain.uuid));
    drive.read_only = true;
    drive.target = Target(kConfigDriveIndex);
    domain.disks.push_back(std::move(drive));
  }
}

std::string RootDiskName(const Uuid& vm) { return absl::StrCat(vm.ToString(), "_disk"); }

std::string VolumeDiskName(absl::string_view id) { return absl::StrCat("volume-", id); }

std::string ConfigDriveName(const Uuid& vm) { return absl::StrCat(RootDiskName(vm), ".config"); }

}  // namespace hvagent::domain_xml
