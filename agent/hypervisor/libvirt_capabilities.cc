#include "agent/hypervisor/libvirt_capabilities.h"

#include <sstream>

#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_error.h"
#include "agent/hypervisor/libvirt_handles.h"
#include "base/status_macros.h"
#include "pugixml.hpp"

namespace hvagent::hypervisor {
namespace {

pugi::xml_node HostCpu(const pugi::xml_document& capabilities) {
  return capabilities.child("capabilities").child("host").child("cpu");
}

// The rule of libvirt's own virt-host-validate: KVM and a processor that supports it.
absl::StatusOr<bool> SupportsKvm(virConnectPtr connection, const char* capabilities_xml) {
  if (!OffersKvm(capabilities_xml)) return false;
  pugi::xml_document capabilities;
  capabilities.load_string(capabilities_xml);
  const pugi::xml_node host_cpu = HostCpu(capabilities);
  if (absl::string_view(host_cpu.child_value("arch")) != "x86_64") return true;

  // Capabilities name a model and what it lacks of the processor; libvirt spells all of it out.
  std::ostringstream text;
  host_cpu.print(text);
  const std::string cpu_xml = text.str();
  const char* cpus[] = {cpu_xml.c_str()};
  const VirString expanded(
      virConnectBaselineCPU(connection, cpus, 1, VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES));
  if (expanded == nullptr) return LibvirtError("cannot get the features of the host's processor");
  return HasVirtualisation(expanded.get());
}

}  // namespace

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
  ASSIGN_OR_RETURN(host.kvm, SupportsKvm(connection, capabilities.get()));
  return host;
}

bool OffersKvm(absl::string_view capabilities_xml) {
  pugi::xml_document document;
  if (!document.load_buffer(capabilities_xml.data(), capabilities_xml.size())) return false;
  const absl::string_view host_arch = HostCpu(document).child_value("arch");
  for (const pugi::xml_node& guest : document.child("capabilities").children("guest")) {
    const pugi::xml_node arch = guest.child("arch");
    if (arch.attribute("name").value() != host_arch) continue;
    if (arch.find_child_by_attribute("domain", "type", "kvm")) return true;
  }
  return false;
}

bool HasVirtualisation(absl::string_view cpu_xml) {
  pugi::xml_document document;
  if (!document.load_buffer(cpu_xml.data(), cpu_xml.size())) return false;
  const pugi::xml_node cpu = document.child("cpu");
  for (const char* feature : {"vmx", "svm"}) {
    if (cpu.find_child_by_attribute("feature", "name", feature)) return true;
  }
  return false;
}

std::string VersionText(unsigned long version) {  // NOLINT(google-runtime-int): libvirt's type
  return absl::StrCat(version / 1000000, ".", version / 1000 % 1000, ".", version % 1000);
}

}  // namespace hvagent::hypervisor
