// A guest's NIC with everything resolved. Plain values, part of a DomainSpec.
#ifndef HVAGENT_DOMAIN_XML_NIC_SPEC_H_
#define HVAGENT_DOMAIN_XML_NIC_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hvagent::domain_xml {

enum class NicModel { kVirtio, kE1000, kE1000e };
enum class NicSource { kBridge, kNetwork };

struct OpenVswitchPort {
  std::string interface_id;         // a UUID
  std::vector<uint32_t> vlan_tags;  // one: an access port's; several: a trunk's
  friend bool operator==(const OpenVswitchPort&, const OpenVswitchPort&) = default;
};

struct NicFilter {
  std::string name;
  std::vector<std::string> ips;
  friend bool operator==(const NicFilter&, const NicFilter&) = default;
};

struct Nic {
  NicSource source = NicSource::kBridge;
  std::string source_name;  // of the bridge or the network
  std::string mac;          // lower case, "52:54:00:12:34:56"
  NicModel model = NicModel::kVirtio;
  uint32_t mtu = 0;                             // 0: the bridge's
  uint32_t queues = 0;                          // 0: one pair
  std::optional<OpenVswitchPort> open_vswitch;  // only on a bridge
  std::optional<NicFilter> filter;
  bool link_down = false;
  uint32_t boot_order = 0;  // from 1; 0: nobody boots from it
  friend bool operator==(const Nic&, const Nic&) = default;
};

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_NIC_SPEC_H_
