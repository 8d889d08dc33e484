// What libvirt says of the host it runs on.
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_CAPABILITIES_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_CAPABILITIES_H_

#include <libvirt/libvirt.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/hypervisor/hypervisor.h"

namespace hvagent::hypervisor {

// Asks libvirtd, so it blocks.
absl::StatusOr<HostInfo> DescribeHost(virConnectPtr connection);

// The part of HostInfo::kvm that is in capabilities XML: whether libvirt offers guests of the
// host's own architecture with KVM. It does so wherever QEMU can open /dev/kvm.
bool OffersKvm(absl::string_view capabilities_xml);

// The other part: whether an x86 processor, given as libvirt's <cpu> with all its features, can
// run guests itself (vmx or svm). Without, a KVM that is there boots firmware but no guest.
bool HasVirtualisation(absl::string_view cpu_xml);

// libvirt's version numbers: 9000000 is "9.0.0".
std::string VersionText(unsigned long version);  // NOLINT(google-runtime-int): libvirt's type

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_CAPABILITIES_H_
