#include "agent/hypervisor/libvirt_capabilities.h"

#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_error.h"
#include "agent/hypervisor/libvirt_handles.h"
#include "pugixml.hpp"

namespace hvagent::hypervisor {

absl::StatusOr<HostInfo> DescribeHost(virConnectPtr connection) {
  HostInfo host;
  const VirString hostname(virConnectGetHostname(connection));
  if (hostname == nullptr) return LibvirtError("cannot get the host's name");
  host.hostname = hostname.get();

  virNodeInfo node;
  if (virNodeGetInfo(connection, &node) != 0) return LibvirtError("cannot get the host's size");
  host.cpus = node.cpus;
  host.memory_mib = node.memory / 1024;

  unsigned long version = 0;  // NOLINT(google-runtime-int): libvirt's type
  if (virConnectGetLibVersion(connection, &version) != 0) {
    return LibvirtError("cannot get libvirt's version");
  }
  host.libvirt_version = VersionText(version);
  if (virConnectGetVersion(connection, &version) != 0) {
    return LibvirtError("cannot get the hypervisor's version");
  }
  host.hypervisor_version = VersionText(version);

  const VirString capabilities(virConnectGetCapabilities(connection));
  if (capabilities == nullptr) return LibvirtError("cannot get the host's capabilities");
  host.kvm = OffersKvm(capabilities.get());
  return host;
}

bool OffersKvm(absl::string_view capabilities_xml) {
  pugi::xml_document document;
  if (!document.load_buffer(capabilities_xml.data(), capabilities_xml.size())) return false;
  const pugi::xml_node capabilities = document.child("capabilities");
  const absl::string_view host_arch = capabilities.child("host").child("cpu").child_value("arch");
  for (const pugi::xml_node& guest : capabilities.children("guest")) {
    const pugi::xml_node arch = guest.child("arch");
    if (arch.attribute("name").value() != host_arch) continue;
    if (arch.find_child_by_attribute("domain", "type", "kvm")) return true;
  }
  return false;
}

std::string VersionText(unsigned long version) {  // NOLINT(google-runtime-int): libvirt's type
  return absl::StrCat(version / 1000000, ".", version / 1000 % 1000, ".", version % 1000);
}

}  // namespace hvagent::hypervisor
