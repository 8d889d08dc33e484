#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"
#include "domain_xml/xml_words.h"

namespace hvagent::domain_xml {
namespace {

constexpr char kFilterIp[] = "IP";

absl::Status CheckNic(const Nic& nic) {
  RETURN_IF_ERROR(CheckGivenText("source_name", nic.source_name));
  if (nic.open_vswitch.has_value() && nic.source != NicSource::kBridge) {
    return InvalidField("open_vswitch", "is of a bridge");
  }
  if (nic.open_vswitch.has_value()) {
    RETURN_IF_ERROR(CheckGivenText("open_vswitch.interface_id", nic.open_vswitch->interface_id));
  }
  if (nic.filter.has_value()) {
    RETURN_IF_ERROR(CheckGivenText("filter.name", nic.filter->name));
    for (const std::string& ip : nic.filter->ips) RETURN_IF_ERROR(CheckGivenText("filter.ips", ip));
  }
  return CheckGivenText("mac", nic.mac);
}

void WriteOpenVswitch(pugi::xml_node parent, const OpenVswitchPort& port) {
  pugi::xml_node virtualport = AddWith(parent, "virtualport", "type", "openvswitch");
  AddWith(virtualport, "parameters", "interfaceid", port.interface_id);
  if (port.vlan_tags.empty()) return;
  pugi::xml_node vlan = parent.append_child("vlan");
  if (port.vlan_tags.size() > 1) Set(vlan, "trunk", "yes");
  for (const uint32_t tag : port.vlan_tags) AddWith(vlan, "tag", "id", absl::StrCat(tag));
}

void WriteFilter(pugi::xml_node parent, const NicFilter& filter) {
  pugi::xml_node node = AddWith(parent, "filterref", "filter", filter.name);
  for (const std::string& ip : filter.ips) {
    Set(AddWith(node, "parameter", "name", kFilterIp), "value", ip);
  }
}

void WriteNic(pugi::xml_node devices, const Nic& nic) {
  const char* source = WordOf(kNicSources, nic.source);
  pugi::xml_node node = AddWith(devices, "interface", "type", source);
  AddWith(node, "mac", "address", nic.mac);
  AddWith(node, "source", source, nic.source_name);
  if (nic.open_vswitch.has_value()) WriteOpenVswitch(node, *nic.open_vswitch);
  AddWith(node, "model", "type", WordOf(kNicModels, nic.model));
  if (nic.queues != 0) AddWith(node, "driver", "queues", absl::StrCat(nic.queues));
  if (nic.filter.has_value()) WriteFilter(node, *nic.filter);
  if (nic.link_down) AddWith(node, "link", "state", "down");
  if (nic.mtu != 0) AddWith(node, "mtu", "size", absl::StrCat(nic.mtu));
  if (nic.boot_order != 0) AddWith(node, "boot", "order", absl::StrCat(nic.boot_order));
}

absl::StatusOr<OpenVswitchPort> ReadOpenVswitch(pugi::xml_node node) {
  const pugi::xml_node virtualport = node.child("virtualport");
  RETURN_IF_ERROR(Expect(virtualport, "type", "openvswitch", "interface/virtualport"));
  OpenVswitchPort port;
  port.interface_id = virtualport.child("parameters").attribute("interfaceid").value();
  for (pugi::xml_node tag : node.child("vlan").children("tag")) {
    ASSIGN_OR_RETURN(const auto id,
                     ReadNumber<uint32_t>(Attribute(tag, "id"), "interface/vlan/tag/@id"));
    port.vlan_tags.push_back(id);
  }
  return port;
}

absl::StatusOr<NicFilter> ReadFilter(pugi::xml_node node) {
  NicFilter filter;
  filter.name = node.attribute("filter").value();
  for (pugi::xml_node parameter : node.children("parameter")) {
    RETURN_IF_ERROR(Expect(parameter, "name", kFilterIp, "interface/filterref/parameter"));
    filter.ips.emplace_back(parameter.attribute("value").value());
  }
  return filter;
}

// 0 where there is no such child.
absl::StatusOr<uint32_t> ReadChildNumber(pugi::xml_node node, const char* child,
                                         const char* attribute) {
  const pugi::xml_attribute found = node.child(child).attribute(attribute);
  if (!found) return 0U;
  return ReadNumber<uint32_t>(found.value(), absl::StrCat("interface/", child, "/@", attribute));
}

absl::StatusOr<Nic> ReadNic(pugi::xml_node node) {
  Nic nic;
  ASSIGN_OR_RETURN(nic.source, ReadWord(kNicSources, Attribute(node, "type"), "interface/@type"));
  nic.source_name = Attribute(node.child("source"), WordOf(kNicSources, nic.source)).data();
  nic.mac = node.child("mac").attribute("address").value();
  ASSIGN_OR_RETURN(nic.model, ReadWord(kNicModels, Attribute(node.child("model"), "type"),
                                       "interface/model/@type"));
  if (node.child("virtualport") || node.child("vlan")) {
    ASSIGN_OR_RETURN(nic.open_vswitch, ReadOpenVswitch(node));
  }
  if (const pugi::xml_node filter = node.child("filterref")) {
    ASSIGN_OR_RETURN(nic.filter, ReadFilter(filter));
  }
  ASSIGN_OR_RETURN(nic.queues, ReadChildNumber(node, "driver", "queues"));
  ASSIGN_OR_RETURN(nic.mtu, ReadChildNumber(node, "mtu", "size"));
  ASSIGN_OR_RETURN(nic.boot_order, ReadChildNumber(node, "boot", "order"));
  nic.link_down = Attribute(node.child("link"), "state") == "down";
  return nic;
}

}  // namespace

absl::Status CheckNics(const DomainSpec& spec) {
  for (size_t i = 0; i < spec.nics.size(); ++i) {
    RETURN_IF_ERROR(PrefixField(CheckNic(spec.nics[i]), absl::StrCat("nics[", i, "]")));
  }
  return absl::OkStatus();
}

void WriteNics(pugi::xml_node devices, const DomainSpec& spec) {
  for (const Nic& nic : spec.nics) WriteNic(devices, nic);
}

absl::Status ReadNics(pugi::xml_node devices, DomainSpec& spec) {
  for (pugi::xml_node node : devices.children("interface")) {
    ASSIGN_OR_RETURN(Nic nic, ReadNic(node));
    spec.nics.push_back(std::move(nic));
  }
  return absl::OkStatus();
}

}  // namespace hvagent::domain_xml
