#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "domain_xml/vm_spec.h"

namespace hvagent::domain_xml {
namespace {

constexpr uint64_t kMaxVcpus = 1024;
constexpr uint64_t kMinMemoryMib = 16;
constexpr uint64_t kMaxMemoryMib = uint64_t{64} << 20;  // 64 TiB
constexpr uint64_t kMaxDiskGib = 65536;
constexpr int kMaxVolumes = 24;  // vdb to vdy; vdz is the config drive
constexpr size_t kMaxCloudInitBytes = 1 << 20;
constexpr int kMaxNics = 16;
constexpr size_t kMaxNodeName = 253;   // a DNS name
constexpr size_t kMaxBridgeName = 15;  // IFNAMSIZ without its NUL

absl::Status CheckRange(absl::string_view field, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("must be from ", min, " to ", max, ", not ", value));
}

// A status of base/names.h as one of `field`.
absl::Status AsField(absl::string_view field, const absl::Status& status) {
  return status.ok() ? status : InvalidField(field, status.message());
}

absl::Status CheckUuid(absl::string_view field, absl::string_view text) {
  const absl::StatusOr<Uuid> uuid = Uuid::Parse(text);
  if (!uuid.ok()) return InvalidField(field, uuid.status().message());
  if (uuid->is_nil()) return InvalidField(field, "must not be the nil UUID");
  return absl::OkStatus();
}

// Letters, digits, '.', '_' and '-', not only dots: what a host or an interface may be called
// without surprises in a path or on a command line.
absl::Status CheckSystemName(absl::string_view field, absl::string_view name, size_t max) {
  const auto is_plain = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= max && name.front() != '-' && name.front() != '.' &&
      std::all_of(name.begin(), name.end(), is_plain)) {
    return absl::OkStatus();
  }
  return InvalidField(
      field, absl::StrCat("must be 1 to ", max,
                          " letters, digits, '.', '_' or '-', the first neither '.' nor '-'"));
}

absl::Status CheckMac(absl::string_view mac) {
  const std::vector<absl::string_view> pairs = absl::StrSplit(mac, ':');
  const auto is_pair = [](absl::string_view pair) {
    return pair.size() == 2 && std::all_of(pair.begin(), pair.end(), [](char c) {
             return absl::ascii_isxdigit(static_cast<unsigned char>(c));
           });
  };
  if (pairs.size() != 6 || !std::all_of(pairs.begin(), pairs.end(), is_pair)) {
    return InvalidField("mac", "must be six pairs of hexadecimal digits, as 52:54:00:12:34:56");
  }
  const auto first = static_cast<uint8_t>(absl::HexStringToBytes(pairs.front()).front());
  if ((first & 1) != 0) return InvalidField("mac", "is a multicast address; a NIC needs its own");
  // libvirt gives the tap device the NIC's address with this first byte.
  if (first == 0xfe) return InvalidField("mac", "must not begin with fe, which libvirt reserves");
  if (mac == "00:00:00:00:00:00") return InvalidField("mac", "must not be all zero");
  return absl::OkStatus();
}

absl::Status CheckModes(int cache, int discard) {
  if (!v1::CacheMode_IsValid(cache)) {
    return InvalidField("cache", absl::StrCat("knows no mode ", cache));
  }
  if (!v1::DiscardMode_IsValid(discard)) {
    return InvalidField("discard", absl::StrCat("knows no mode ", discard));
  }
  return absl::OkStatus();
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

absl::Status CheckNic(const v1::Nic& nic) {
  RETURN_IF_ERROR(CheckSystemName("bridge", nic.bridge(), kMaxBridgeName));
  RETURN_IF_ERROR(CheckMac(nic.mac()));
  if (!nic.model().empty() && nic.model() != "virtio" && nic.model() != "e1000") {
    return InvalidField("model", "must be \"virtio\" or \"e1000\"");
  }
  return absl::OkStatus();
}

absl::Status CheckNics(const v1::VmSpec& spec) {
  if (spec.nics_size() > kMaxNics) {
    return InvalidField("nics", absl::StrCat("there may be at most ", kMaxNics));
  }
  std::set<std::string> macs;
  for (int i = 0; i < spec.nics_size(); ++i) {
    const std::string path = absl::StrCat("nics[", i, "]");
    RETURN_IF_ERROR(PrefixField(CheckNic(spec.nics(i)), path));
    if (!macs.insert(absl::AsciiStrToLower(spec.nics(i).mac())).second) {
      return InvalidField(absl::StrCat(path, ".mac"), "belongs to another NIC of the VM");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateVmSpec(const v1::VmSpec& spec) {
  RETURN_IF_ERROR(CheckUuid("uuid", spec.uuid()));
  RETURN_IF_ERROR(AsField("name", CheckVmName(spec.name())));
  if (!spec.node().empty()) {
    RETURN_IF_ERROR(CheckSystemName("node", spec.node(), kMaxNodeName));
  }
  if (spec.power_state() != v1::POWER_STATE_UNSPECIFIED && spec.power_state() != v1::RUNNING &&
      spec.power_state() != v1::STOPPED) {
    return InvalidField("power_state", "must be RUNNING or STOPPED");
  }
  RETURN_IF_ERROR(CheckRange("vcpus", spec.vcpus(), 1, kMaxVcpus));
  RETURN_IF_ERROR(CheckRange("memory_mib", spec.memory_mib(), kMinMemoryMib, kMaxMemoryMib));
  if (!spec.has_root_disk()) return InvalidField("root_disk", "must be given");
  RETURN_IF_ERROR(PrefixField(CheckRootDisk(spec.root_disk()), "root_disk"));
  RETURN_IF_ERROR(CheckVolumes(spec));
  RETURN_IF_ERROR(CheckCloudInit(spec.cloud_init()));
  return CheckNics(spec);
}

}  // namespace hvagent::domain_xml
