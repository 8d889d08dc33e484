#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/spec_checks.h"
#include "domain_xml/spec_parts.h"

namespace hvagent::domain_xml {
namespace {

constexpr int kMaxNics = 16;
constexpr size_t kMaxBridgeName = 15;  // IFNAMSIZ without its NUL
constexpr size_t kMaxNetworkName = 63;
constexpr size_t kMaxFilterName = 63;
constexpr int kMaxFilterIps = 64;
constexpr uint32_t kMinMtu = 68;  // RFC 791
constexpr uint32_t kMaxMtu = 65521;
constexpr uint32_t kMaxQueues = 256;  // of a tap device
constexpr uint32_t kMaxVlanTag = 4094;

struct ModelName {
  NicModel model;
  const char* name;
};
constexpr ModelName kModels[] = {
    {NicModel::kVirtio, "virtio"}, {NicModel::kE1000, "e1000"}, {NicModel::kE1000e, "e1000e"}};

bool IsVirtio(const v1::Nic& nic) { return nic.model().empty() || nic.model() == "virtio"; }

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

// Where it is plugged in: exactly one.
absl::Status CheckSource(const v1::Nic& nic) {
  if (nic.network().empty()) return CheckSystemName("bridge", nic.bridge(), kMaxBridgeName);
  if (!nic.bridge().empty()) return InvalidField("network", "cannot be given beside bridge");
  return CheckSystemName("network", nic.network(), kMaxNetworkName);
}

absl::Status CheckModel(const v1::Nic& nic) {
  const bool known = std::any_of(std::begin(kModels), std::end(kModels),
                                 [&](const ModelName& model) { return nic.model() == model.name; });
  if (!known && !nic.model().empty()) {
    return InvalidField("model", "must be \"virtio\", \"e1000\" or \"e1000e\"");
  }
  if (nic.mtu() != 0) RETURN_IF_ERROR(CheckRange("mtu", nic.mtu(), kMinMtu, kMaxMtu));
  RETURN_IF_ERROR(CheckRange("queues", nic.queues(), 0, kMaxQueues));
  if (nic.queues() > 1 && !IsVirtio(nic)) {
    return InvalidField("queues", "are for the model \"virtio\"");
  }
  return absl::OkStatus();
}

absl::Status CheckOpenVswitch(const v1::Nic& nic) {
  if (nic.bridge().empty()) {
    return InvalidField("open_vswitch", "is of a bridge, which must be given");
  }
  RETURN_IF_ERROR(CheckUuid("open_vswitch.interface_id", nic.open_vswitch().interface_id()));
  std::set<uint32_t> tags;
  for (int i = 0; i < nic.open_vswitch().vlan_tags_size(); ++i) {
    const uint32_t tag = nic.open_vswitch().vlan_tags(i);
    const std::string field = absl::StrCat("open_vswitch.vlan_tags[", i, "]");
    RETURN_IF_ERROR(CheckRange(field, tag, 1, kMaxVlanTag));
    if (!tags.insert(tag).second) return InvalidField(field, "is there twice");
  }
  return absl::OkStatus();
}

absl::Status CheckFilter(const v1::Nic& nic) {
  if (nic.has_open_vswitch()) {
    return InvalidField("filter", "cannot be given with open_vswitch, whose ports have their own");
  }
  const v1::NicFilter& filter = nic.filter();
  RETURN_IF_ERROR(CheckSystemName("filter.name", filter.name(), kMaxFilterName));
  if (filter.name() == "clean-traffic" && filter.ips().empty()) {
    return InvalidField("filter.ips", "must be given with clean-traffic");
  }
  if (filter.ips_size() > kMaxFilterIps) {
    return InvalidField("filter.ips", absl::StrCat("there may be at most ", kMaxFilterIps));
  }
  std::set<std::string> ips;
  for (int i = 0; i < filter.ips_size(); ++i) {
    const std::string field = absl::StrCat("filter.ips[", i, "]");
    in_addr address = {};
    if (inet_pton(AF_INET, filter.ips(i).c_str(), &address) != 1) {
      return InvalidField(field, "must be an IPv4 address, as 192.0.2.7");
    }
    if (!ips.insert(filter.ips(i)).second) return InvalidField(field, "is there twice");
  }
  return absl::OkStatus();
}

absl::Status CheckNic(const v1::Nic& nic) {
  RETURN_IF_ERROR(CheckSource(nic));
  RETURN_IF_ERROR(CheckMac(nic.mac()));
  RETURN_IF_ERROR(CheckModel(nic));
  if (nic.has_open_vswitch()) RETURN_IF_ERROR(CheckOpenVswitch(nic));
  return nic.has_filter() ? CheckFilter(nic) : absl::OkStatus();
}

Nic ResolveNic(const v1::Nic& wish) {
  Nic nic;
  if (!wish.network().empty()) {
    nic.source = NicSource::kNetwork;
    nic.source_name = wish.network();
  } else {
    nic.source_name = wish.bridge();
  }
  nic.mac = wish.mac();
  for (const ModelName& model : kModels) {
    if (wish.model() == model.name) nic.model = model.model;
  }
  nic.mtu = wish.mtu();
  nic.queues = wish.queues();
  if (wish.has_open_vswitch()) {
    const v1::OpenVswitchPort& port = wish.open_vswitch();
    nic.open_vswitch = OpenVswitchPort{
        .interface_id = port.interface_id(),
        .vlan_tags = std::vector<uint32_t>(port.vlan_tags().begin(), port.vlan_tags().end())};
  }
  if (wish.has_filter()) {
    const v1::NicFilter& filter = wish.filter();
    nic.filter =
        NicFilter{.name = filter.name(),
                  .ips = std::vector<std::string>(filter.ips().begin(), filter.ips().end())};
  }
  nic.link_down = wish.link_down();
  nic.boot_order = wish.boot_order();
  return nic;
}

}  // namespace

absl::Status ValidateNics(const v1::VmSpec& spec) {
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

void NormalizeNics(v1::VmSpec& spec) {
  for (v1::Nic& nic : *spec.mutable_nics()) {
    absl::AsciiStrToLower(nic.mutable_mac());
    if (nic.model().empty()) nic.set_model("virtio");
    if (nic.queues() == 1) nic.clear_queues();
    if (nic.has_open_vswitch()) {
      absl::AsciiStrToLower(nic.mutable_open_vswitch()->mutable_interface_id());
    }
  }
}

void ResolveNics(const v1::VmSpec& spec, DomainSpec& domain) {
  for (const v1::Nic& nic : spec.nics()) domain.nics.push_back(ResolveNic(nic));
}

}  // namespace hvagent::domain_xml
