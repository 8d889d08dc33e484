#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"
#include "domain_xml/xml_words.h"

namespace hvagent::domain_xml {
namespace {

// A q35 guest takes a hot-plugged device only at a root port that it booted with, and libvirt keeps
// but one free.
constexpr int kQ35RootPorts = 24;

// libvirt puts the version in place of "pc" and "q35" when it defines a domain. So a version that
// was asked for is written in the mark too, and one that is not there is libvirt's choice.
constexpr char kPinnedMachine[] = "machine";

struct MachineFamily {
  const char* name;
  const char* version_prefix;
};
constexpr MachineFamily kMachineFamilies[] = {{"pc", "pc-i440fx-"}, {"q35", "pc-q35-"}};

// "q35" for itself and for each of its versions; empty for a machine that we do not make.
std::string FamilyOf(absl::string_view machine) {
  for (const MachineFamily& family : kMachineFamilies) {
    if (machine == family.name || absl::StartsWith(machine, family.version_prefix)) {
      return family.name;
    }
  }
  return "";
}

absl::Status CheckCpu(const Cpu& cpu) {
  if ((cpu.mode == CpuMode::kNamed) != !cpu.model.empty()) {
    return InvalidField("cpu.model", "must be given with the mode NAMED, and with no other");
  }
  RETURN_IF_ERROR(CheckText("cpu.model", cpu.model));
  if (cpu.mode == CpuMode::kDefault && !cpu.features.empty()) {
    return InvalidField("cpu.features", "need a mode or a model that they change");
  }
  for (size_t i = 0; i < cpu.features.size(); ++i) {
    RETURN_IF_ERROR(
        CheckGivenText(absl::StrCat("cpu.features[", i, "].name"), cpu.features[i].name));
  }
  return absl::OkStatus();
}

void WriteOs(pugi::xml_node domain, pugi::xml_node mark, const DomainSpec& spec) {
  pugi::xml_node os = domain.append_child("os");
  if (spec.firmware == Firmware::kUefi) Set(os, "firmware", "efi");
  pugi::xml_node type = AddText(os, "type", "hvm");
  Set(type, "arch", "x86_64");
  Set(type, "machine", spec.machine);
  if (FamilyOf(spec.machine) != spec.machine) Set(mark, kPinnedMachine, spec.machine);
  if (spec.firmware == Firmware::kUefi) {
    // Said, so that libvirt chooses the same firmware on every node.
    pugi::xml_node secure_boot =
        AddWith(os.append_child("firmware"), "feature", "name", "secure-boot");
    Set(secure_boot, "enabled", "no");
  }
}

void WriteCpu(pugi::xml_node domain, const Cpu& cpu, const std::vector<NumaNode>& numa_nodes) {
  if (cpu == Cpu() && numa_nodes.empty()) return;
  pugi::xml_node node = domain.append_child("cpu");
  if (cpu.mode != CpuMode::kDefault) Set(node, "mode", WordOf(kCpuModes, cpu.mode));
  if (cpu.mode == CpuMode::kNamed) {
    Set(node, "match", "exact");
    Set(AddText(node, "model", cpu.model), "fallback", "forbid");
  }
  if (cpu.topology.has_value()) {
    pugi::xml_node topology =
        AddWith(node, "topology", "sockets", absl::StrCat(cpu.topology->sockets));
    Set(topology, "cores", absl::StrCat(cpu.topology->cores));
    Set(topology, "threads", absl::StrCat(cpu.topology->threads));
  }
  for (const CpuFeature& feature : cpu.features) {
    Set(AddWith(node, "feature", "policy", WordOf(kCpuPolicies, feature.policy)), "name",
        feature.name);
  }
  WriteNuma(node, numa_nodes);
}

void WriteMemory(pugi::xml_node domain, const char* name, uint64_t memory_mib) {
  constexpr uint64_t kKibPerMib = 1024;
  Set(AddText(domain, name, absl::StrCat(memory_mib * kKibPerMib)), "unit", "KiB");
}

void WriteClock(pugi::xml_node domain) {
  // The timers that keep a guest's clock right when its vCPUs are not scheduled for a while.
  pugi::xml_node clock = AddWith(domain, "clock", "offset", "utc");
  Set(AddWith(clock, "timer", "name", "pit"), "tickpolicy", "delay");
  Set(AddWith(clock, "timer", "name", "rtc"), "tickpolicy", "catchup");
  Set(AddWith(clock, "timer", "name", "hpet"), "present", "no");
}

// As many as the disks name.
uint32_t Iothreads(const DomainSpec& spec) {
  uint32_t highest = 0;
  for (const RbdDisk& disk : spec.disks) highest = std::max(highest, disk.iothread);
  return highest;
}

// The memory that the guest starts with, and what it may have at most.
absl::Status ReadMemory(pugi::xml_node domain, DomainSpec& spec) {
  const auto read = [](pugi::xml_node node, absl::string_view where) {
    return ReadMemoryMib(node.text().get(), Attribute(node, "unit"), where);
  };
  ASSIGN_OR_RETURN(const uint64_t max_mib, read(domain.child("memory"), "memory"));
  spec.memory_mib = max_mib;
  if (const pugi::xml_node current = domain.child("currentMemory")) {
    ASSIGN_OR_RETURN(spec.memory_mib, read(current, "currentMemory"));
  }
  if (spec.memory_mib > max_mib) return Unreadable("currentMemory", "is more than memory");
  if (spec.memory_mib < max_mib) spec.max_memory_mib = max_mib;
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadMachineName(pugi::xml_node os, pugi::xml_node mark) {
  const absl::string_view machine = Attribute(os.child("type"), "machine");
  std::string family = FamilyOf(machine);
  if (family.empty()) return UnreadableValue("os/type/@machine", machine);
  if (machine == Attribute(mark, kPinnedMachine)) return std::string(machine);
  return family;
}

absl::StatusOr<Firmware> ReadFirmware(pugi::xml_node os) {
  const absl::string_view firmware = Attribute(os, "firmware");
  if (firmware == "efi") return Firmware::kUefi;
  if (firmware.empty() || firmware == "bios") return Firmware::kBios;
  return UnreadableValue("os/@firmware", firmware);
}

absl::StatusOr<Cpu> ReadCpu(pugi::xml_node node) {
  Cpu cpu;
  cpu.model = node.child("model").text().get();
  const absl::string_view mode = Attribute(node, "mode");
  // libvirt gives a <cpu> that has but a topology the mode "custom".
  if (!mode.empty() && (mode != "custom" || !cpu.model.empty())) {
    ASSIGN_OR_RETURN(cpu.mode, ReadWord(kCpuModes, mode, "cpu/@mode"));
  }
  if ((cpu.mode == CpuMode::kNamed) != !cpu.model.empty()) {
    return UnreadableValue("cpu/model", cpu.model);
  }
  if (const pugi::xml_node topology = node.child("topology")) {
    const absl::string_view dies = Attribute(topology, "dies");
    if (!dies.empty() && dies != "1") return UnreadableValue("cpu/topology/@dies", dies);
    cpu.topology.emplace();
    ASSIGN_OR_RETURN(cpu.topology->sockets,
                     ReadNumber<uint32_t>(Attribute(topology, "sockets"), "cpu/topology/@sockets"));
    ASSIGN_OR_RETURN(cpu.topology->cores,
                     ReadNumber<uint32_t>(Attribute(topology, "cores"), "cpu/topology/@cores"));
    ASSIGN_OR_RETURN(cpu.topology->threads,
                     ReadNumber<uint32_t>(Attribute(topology, "threads"), "cpu/topology/@threads"));
  }
  for (pugi::xml_node child : node.children("feature")) {
    CpuFeature feature;
    feature.name = child.attribute("name").value();
    ASSIGN_OR_RETURN(feature.policy,
                     ReadWord(kCpuPolicies, Attribute(child, "policy"), "cpu/feature/@policy"));
    cpu.features.push_back(std::move(feature));
  }
  return cpu;
}

}  // namespace

absl::Status CheckMachine(const DomainSpec& spec) {
  if (spec.vcpus == 0) return InvalidField("vcpus", "must be at least 1");
  RETURN_IF_ERROR(CheckMemory("memory_mib", spec.memory_mib));
  if (spec.max_memory_mib != 0) {
    RETURN_IF_ERROR(CheckMemory("max_memory_mib", spec.max_memory_mib));
    if (spec.max_memory_mib <= spec.memory_mib) {
      return InvalidField("max_memory_mib", "must be more than memory_mib");
    }
  }
  RETURN_IF_ERROR(CheckText("machine", spec.machine));
  if (FamilyOf(spec.machine).empty()) {
    return InvalidField("machine", "must be \"pc\", \"q35\" or a version of one");
  }
  RETURN_IF_ERROR(CheckCpu(spec.cpu));
  return CheckPlacement(spec);
}

void WriteMachine(pugi::xml_node domain, pugi::xml_node mark, const DomainSpec& spec) {
  WriteMemory(domain, "memory", std::max(spec.memory_mib, spec.max_memory_mib));
  WriteMemory(domain, "currentMemory", spec.memory_mib);
  AddText(domain, "vcpu", absl::StrCat(spec.vcpus));
  if (const uint32_t count = Iothreads(spec); count != 0) {
    AddText(domain, "iothreads", absl::StrCat(count));
  }
  WriteHost(domain, spec.host);

  WriteOs(domain, mark, spec);
  pugi::xml_node features = domain.append_child("features");
  features.append_child("acpi");
  features.append_child("apic");
  WriteCpu(domain, spec.cpu, spec.numa_nodes);
  WriteClock(domain);
  AddText(domain, "on_poweroff", "destroy");
  AddText(domain, "on_reboot", "restart");
  AddText(domain, "on_crash", "destroy");
}

absl::Status ReadMachine(pugi::xml_node domain, pugi::xml_node mark, DomainSpec& spec) {
  RETURN_IF_ERROR(ReadMemory(domain, spec));
  ASSIGN_OR_RETURN(spec.vcpus, ReadNumber<uint32_t>(domain.child("vcpu").text().get(), "vcpu"));
  const pugi::xml_node os = domain.child("os");
  ASSIGN_OR_RETURN(spec.machine, ReadMachineName(os, mark));
  ASSIGN_OR_RETURN(spec.firmware, ReadFirmware(os));
  ASSIGN_OR_RETURN(spec.cpu, ReadCpu(domain.child("cpu")));
  ASSIGN_OR_RETURN(spec.numa_nodes, ReadNuma(domain.child("cpu")));
  ASSIGN_OR_RETURN(spec.host, ReadHost(domain));
  return absl::OkStatus();
}

void WriteMachinePorts(pugi::xml_node devices, const DomainSpec& spec) {
  if (FamilyOf(spec.machine) != "q35") return;
  // The one that they hang on: with the ports named and not this, libvirt takes the first for it.
  pugi::xml_node root = AddWith(devices, "controller", "type", "pci");
  Set(root, "index", "0");
  Set(root, "model", "pcie-root");
  for (int i = 0; i < kQ35RootPorts; ++i) {
    Set(AddWith(devices, "controller", "type", "pci"), "model", "pcie-root-port");
  }
}

}  // namespace hvagent::domain_xml
