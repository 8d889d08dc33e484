// Private to domain_xml: the parts of a domain, each written and read in one file, so that what
// the one writes and the other wants stand side by side. For each part:
//
// Check says what XML could not carry, INVALID_ARGUMENT (InvalidField) with the field's path.
// Write adds to `domain` what Check found good.
// Read fills in `spec`; INVALID_ARGUMENT (INVALID_DOMAIN_XML) for what a DomainSpec cannot say.
#ifndef HVAGENT_DOMAIN_XML_XML_PARTS_H_
#define HVAGENT_DOMAIN_XML_XML_PARTS_H_

#include <optional>
#include <pugixml.hpp>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain_xml/domain_spec.h"

namespace hvagent::domain_xml {

// Our mark in <metadata>: xml_mark.cc. What a part has to remember of itself stands in the mark
// too, as an attribute that libvirt does not touch.
absl::Status CheckMark(const DomainMark& mark);
pugi::xml_node WriteMark(pugi::xml_node domain, const DomainMark& mark);
// The element of our mark, or a null one.
pugi::xml_node FindMark(pugi::xml_node domain);
absl::StatusOr<DomainMark> ReadMark(pugi::xml_node node);

// Memory, vCPUs, machine, firmware, CPU and clock: xml_machine.cc.
absl::Status CheckMachine(const DomainSpec& spec);
void WriteMachine(pugi::xml_node domain, pugi::xml_node mark, const DomainSpec& spec);
absl::Status ReadMachine(pugi::xml_node domain, pugi::xml_node mark, DomainSpec& spec);

// Where on the node it lives, and its NUMA nodes: xml_placement.cc.
absl::Status CheckPlacement(const DomainSpec& spec);
void WriteHost(pugi::xml_node domain, const HostPlacement& host);
absl::StatusOr<HostPlacement> ReadHost(pugi::xml_node domain);
void WriteNuma(pugi::xml_node cpu, const std::vector<NumaNode>& nodes);
absl::StatusOr<std::vector<NumaNode>> ReadNuma(pugi::xml_node cpu);

// The PCI ports that the machine needs for devices that come later: xml_machine.cc.
void WriteMachinePorts(pugi::xml_node devices, const DomainSpec& spec);

// <devices>: xml_disks.cc, xml_nics.cc, xml_devices.cc (all others).
absl::Status CheckDisks(const DomainSpec& spec);
void WriteDisks(pugi::xml_node devices, const DomainSpec& spec);
absl::Status ReadDisks(pugi::xml_node devices, DomainSpec& spec);

// The limits of one disk: xml_iotune.cc. A name of a group that XML cannot carry is Check's to
// find.
void WriteIoTune(pugi::xml_node disk, const IoTune& tune);
absl::StatusOr<IoTune> ReadIoTune(pugi::xml_node disk);

absl::Status CheckNics(const DomainSpec& spec);
void WriteNics(pugi::xml_node devices, const DomainSpec& spec);
absl::Status ReadNics(pugi::xml_node devices, DomainSpec& spec);

absl::Status CheckOtherDevices(const DomainSpec& spec);
void WriteOtherDevices(pugi::xml_node devices, const DomainSpec& spec);
absl::Status ReadOtherDevices(pugi::xml_node devices, DomainSpec& spec);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_XML_PARTS_H_
