#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/cpu_set.h"
#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"

namespace hvagent::domain_xml {
namespace {

absl::StatusOr<std::set<uint32_t>> ReadSet(pugi::xml_node node, const char* attribute,
                                           absl::string_view where) {
  absl::StatusOr<std::set<uint32_t>> set = ParseCpuSet(Attribute(node, attribute));
  if (!set.ok()) return UnreadableValue(where, Attribute(node, attribute));
  return set;
}

}  // namespace

absl::Status CheckPlacement(const DomainSpec& spec) {
  for (size_t i = 0; i < spec.numa_nodes.size(); ++i) {
    const std::string path = absl::StrCat("numa_nodes[", i, "]");
    if (spec.numa_nodes[i].cpus.empty()) {
      return InvalidField(absl::StrCat(path, ".cpus"), "must not be empty");
    }
    RETURN_IF_ERROR(CheckMemory(absl::StrCat(path, ".memory_mib"), spec.numa_nodes[i].memory_mib));
  }
  for (size_t i = 0; i < spec.host.vcpu_pins.size(); ++i) {
    if (spec.host.vcpu_pins[i].host_cpus.empty()) {
      return InvalidField(absl::StrCat("host.vcpu_pins[", i, "].host_cpus"), "must not be empty");
    }
  }
  return absl::OkStatus();
}

void WriteHost(pugi::xml_node domain, const HostPlacement& host) {
  if (host.hugepage_kib != 0) {
    pugi::xml_node pages = domain.append_child("memoryBacking").append_child("hugepages");
    Set(AddWith(pages, "page", "size", absl::StrCat(host.hugepage_kib)), "unit", "KiB");
  }
  if (!host.vcpu_pins.empty() || !host.emulator_cpus.empty()) {
    pugi::xml_node tune = domain.append_child("cputune");
    for (const VcpuPin& pin : host.vcpu_pins) {
      Set(AddWith(tune, "vcpupin", "vcpu", absl::StrCat(pin.vcpu)), "cpuset",
          FormatCpuSet(pin.host_cpus));
    }
    if (!host.emulator_cpus.empty()) {
      AddWith(tune, "emulatorpin", "cpuset", FormatCpuSet(host.emulator_cpus));
    }
  }
  if (!host.memory_nodes.empty()) {
    pugi::xml_node memory = AddWith(domain.append_child("numatune"), "memory", "mode", "strict");
    Set(memory, "nodeset", FormatCpuSet(host.memory_nodes));
  }
}

absl::StatusOr<HostPlacement> ReadHost(pugi::xml_node domain) {
  HostPlacement host;
  if (const pugi::xml_node page = domain.child("memoryBacking").child("hugepages").child("page")) {
    RETURN_IF_ERROR(Expect(page, "unit", "KiB", "memoryBacking/hugepages/page"));
    ASSIGN_OR_RETURN(host.hugepage_kib, ReadNumber<uint64_t>(Attribute(page, "size"),
                                                             "memoryBacking/hugepages/page/@size"));
  }
  const pugi::xml_node tune = domain.child("cputune");
  for (pugi::xml_node node : tune.children("vcpupin")) {
    VcpuPin pin;
    ASSIGN_OR_RETURN(pin.vcpu,
                     ReadNumber<uint32_t>(Attribute(node, "vcpu"), "cputune/vcpupin/@vcpu"));
    ASSIGN_OR_RETURN(pin.host_cpus, ReadSet(node, "cpuset", "cputune/vcpupin/@cpuset"));
    host.vcpu_pins.push_back(std::move(pin));
  }
  if (const pugi::xml_node emulator = tune.child("emulatorpin")) {
    ASSIGN_OR_RETURN(host.emulator_cpus,
                     ReadSet(emulator, "cpuset", "cputune/emulatorpin/@cpuset"));
  }
  if (const pugi::xml_node memory = domain.child("numatune").child("memory")) {
    RETURN_IF_ERROR(Expect(memory, "mode", "strict", "numatune/memory"));
    ASSIGN_OR_RETURN(host.memory_nodes, ReadSet(memory, "nodeset", "numatune/memory/@nodeset"));
  }
  return host;
}

void WriteNuma(pugi::xml_node cpu, const std::vector<NumaNode>& nodes) {
  if (nodes.empty()) return;
  pugi::xml_node numa = cpu.append_child("numa");
  for (size_t i = 0; i < nodes.size(); ++i) {
    pugi::xml_node cell = AddWith(numa, "cell", "id", absl::StrCat(i));
    Set(cell, "cpus", FormatCpuSet(nodes[i].cpus));
    SetMemory(cell, nodes[i].memory_mib);
  }
}

absl::StatusOr<std::vector<NumaNode>> ReadNuma(pugi::xml_node cpu) {
  std::vector<NumaNode> nodes;
  for (pugi::xml_node cell : cpu.child("numa").children("cell")) {
    RETURN_IF_ERROR(Expect(cell, "id", absl::StrCat(nodes.size()), "cpu/numa/cell"));
    NumaNode node;
    ASSIGN_OR_RETURN(node.cpus, ReadSet(cell, "cpus", "cpu/numa/cell/@cpus"));
    ASSIGN_OR_RETURN(
        node.memory_mib,
        ReadMemoryMib(Attribute(cell, "memory"), Attribute(cell, "unit"), "cpu/numa/cell/@memory"));
    nodes.push_back(std::move(node));
  }
  return nodes;
}

}  // namespace hvagent::domain_xml
