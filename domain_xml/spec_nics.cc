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

absl::Status CheckNic(const v1::Nic& nic) {
  RETURN_IF_ERROR(CheckSystemName("bridge", nic.bridge(), kMaxBridgeName));
  RETURN_IF_ERROR(CheckMac(nic.mac()));
  if (!nic.model().empty() && nic.model() != "virtio" && nic.model() != "e1000") {
    return InvalidField("model", "must be \"virtio\" or \"e1000\"");
  }
  return absl::OkStatus();
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
  }
}

void ResolveNics(const v1::VmSpec& spec, DomainSpec& domain) {
  for (const v1::Nic& nic : spec.nics()) {
    domain.nics.push_back({.bridge = nic.bridge(),
                           .mac = nic.mac(),
                           .model = nic.model() == "e1000" ? NicModel::kE1000 : NicModel::kVirtio});
  }
}

}  // namespace hvagent::domain_xml
