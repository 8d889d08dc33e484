// Private to domain_xml: the parts of a VmSpec, each in one file from the wish to the guest. For
// each part:
//
// Validate is its share of ValidateVmSpec.
// Normalize is its share of Normalize.
// Resolve adds what a normalized spec wishes to `domain`.
#ifndef HVAGENT_DOMAIN_XML_SPEC_PARTS_H_
#define HVAGENT_DOMAIN_XML_SPEC_PARTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "domain_xml/domain_spec.h"
#include "domain_xml/vm_spec.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::domain_xml {

// vCPUs, memory, machine, firmware and CPU: spec_machine.cc.
absl::Status ValidateMachine(const v1::VmSpec& spec);
void NormalizeMachine(v1::VmSpec& spec);
void ResolveMachine(const v1::VmSpec& spec, DomainSpec& domain);

// What the VM's memory may grow to.
uint64_t MaxMemoryMib(const v1::VmSpec& spec);

// NUMA nodes, and where on the node the guest lives: spec_placement.cc.
absl::Status ValidatePlacement(const v1::VmSpec& spec);
void NormalizePlacement(v1::VmSpec& spec);
void ResolvePlacement(const v1::VmSpec& spec, DomainSpec& domain);

// The root disk, the volumes and the config drive: spec_disks.cc.
absl::Status ValidateDisks(const v1::VmSpec& spec);
void NormalizeDisks(v1::VmSpec& spec);
void ResolveDisks(const v1::VmSpec& vm, const Placement& placement, DomainSpec& domain);

// What a disk's traffic is limited to: spec_io_limits.cc. The path is relative to the limits.
absl::Status ValidateIoLimits(const v1::IoLimits& limits);
IoTune ResolveIoLimits(const v1::IoLimits& limits);

// Which devices the firmware boots from: spec_boot.cc. They are resolved with their devices.
absl::Status ValidateBootOrder(const v1::VmSpec& spec);
void NormalizeBootOrder(v1::VmSpec& spec);

// spec_nics.cc.
absl::Status ValidateNics(const v1::VmSpec& spec);
void NormalizeNics(v1::VmSpec& spec);
void ResolveNics(const v1::VmSpec& spec, DomainSpec& domain);

// All other devices: spec_devices.cc.
absl::Status ValidateOtherDevices(const v1::VmSpec& spec);
void NormalizeOtherDevices(v1::VmSpec& spec);
void ResolveOtherDevices(const v1::VmSpec& spec, const Placement& placement, DomainSpec& domain);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_SPEC_PARTS_H_
