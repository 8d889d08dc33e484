#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/cpu_set.h"
#include "domain_xml/spec_checks.h"
#include "domain_xml/spec_parts.h"

namespace hvagent::domain_xml {
namespace {

constexpr int kMaxNumaNodes = 64;
constexpr uint64_t kKibPerMib = 1024;
constexpr uint64_t kHugepageSizesKib[] = {2048, 1048576};

absl::StatusOr<std::set<uint32_t>> ReadSet(absl::string_view field, absl::string_view text) {
  absl::StatusOr<std::set<uint32_t>> set = ParseCpuSet(text);
  if (!set.ok()) return InvalidField(field, set.status().message());
  return set;
}

absl::Status CheckGivenSet(absl::string_view field, absl::string_view text) {
  return text.empty() ? absl::OkStatus() : ReadSet(field, text).status();
}

// Whole pages, so that none is left over.
absl::Status CheckPages(absl::string_view field, uint64_t memory_mib, uint64_t hugepage_kib) {
  if (hugepage_kib == 0 || memory_mib * kKibPerMib % hugepage_kib == 0) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("must be a multiple of the huge pages' ", hugepage_kib,
                                          " KiB, not ", memory_mib, " MiB"));
}

absl::Status CheckNuma(const v1::VmSpec& spec) {
  const v1::Numa& numa = spec.numa();
  if (numa.nodes().empty()) return absl::OkStatus();
  if (numa.nodes_size() > kMaxNumaNodes) {
    return InvalidField("numa.nodes", absl::StrCat("there may be at most ", kMaxNumaNodes));
  }
  std::set<uint32_t> seen;
  uint64_t memory_mib = 0;
  for (int i = 0; i < numa.nodes_size(); ++i) {
    const v1::Numa::Node& node = numa.nodes(i);
    const std::string path = absl::StrCat("numa.nodes[", i, "]");
    ASSIGN_OR_RETURN(const std::set<uint32_t> cpus,
                     ReadSet(absl::StrCat(path, ".cpus"), node.cpus()));
    for (const uint32_t cpu : cpus) {
      if (cpu >= spec.vcpus() || !seen.insert(cpu).second) {
        return InvalidField(
            absl::StrCat(path, ".cpus"),
            absl::StrCat("vCPU ", cpu, cpu >= spec.vcpus() ? " is not there" : " is there twice"));
      }
    }
    RETURN_IF_ERROR(
        CheckRange(absl::StrCat(path, ".memory_mib"), node.memory_mib(), 1, MaxMemoryMib(spec)));
    RETURN_IF_ERROR(CheckPages(absl::StrCat(path, ".memory_mib"), node.memory_mib(),
                               spec.placement().hugepage_kib()));
    memory_mib += node.memory_mib();
  }
  if (seen.size() != spec.vcpus()) {
    return InvalidField("numa.nodes", absl::StrCat("have ", seen.size(), " vCPUs, and the VM ",
                                                   spec.vcpus(), " vcpus"));
  }
  if (memory_mib != MaxMemoryMib(spec)) {
    return InvalidField("numa.nodes", absl::StrCat("have ", memory_mib, " MiB, and the VM ",
                                                   MaxMemoryMib(spec), " MiB at most"));
  }
  return absl::OkStatus();
}

absl::Status CheckPins(const v1::VmSpec& spec) {
  std::set<uint32_t> pinned;
  for (int i = 0; i < spec.placement().vcpu_pins_size(); ++i) {
    const v1::HostPlacement::VcpuPin& pin = spec.placement().vcpu_pins(i);
    const std::string path = absl::StrCat("placement.vcpu_pins[", i, "]");
    RETURN_IF_ERROR(CheckRange(absl::StrCat(path, ".vcpu"), pin.vcpu(), 0, spec.vcpus() - 1));
    if (!pinned.insert(pin.vcpu()).second) {
      return InvalidField(absl::StrCat(path, ".vcpu"), "is there twice");
    }
    RETURN_IF_ERROR(ReadSet(absl::StrCat(path, ".host_cpus"), pin.host_cpus()).status());
  }
  return absl::OkStatus();
}

absl::Status CheckHugepages(const v1::VmSpec& spec) {
  const uint64_t size_kib = spec.placement().hugepage_kib();
  if (size_kib == 0) return absl::OkStatus();
  if (std::find(std::begin(kHugepageSizesKib), std::end(kHugepageSizesKib), size_kib) ==
      std::end(kHugepageSizesKib)) {
    return InvalidField("placement.hugepage_kib", "must be 2048 or 1048576");
  }
  const bool has_max = spec.balloon().max_memory_mib() != 0;
  return CheckPages(has_max ? "balloon.max_memory_mib" : "memory_mib", MaxMemoryMib(spec),
                    size_kib);
}

// The one form of a set that was found good.
void Rewrite(std::string* text) {
  const absl::StatusOr<std::set<uint32_t>> set = ParseCpuSet(*text);
  if (set.ok()) *text = FormatCpuSet(*set);
}

std::set<uint32_t> SetOf(const std::string& text) {
  if (text.empty()) return {};
  absl::StatusOr<std::set<uint32_t>> set = ParseCpuSet(text);
  return set.ok() ? *std::move(set) : std::set<uint32_t>();
}

}  // namespace

absl::Status ValidatePlacement(const v1::VmSpec& spec) {
  RETURN_IF_ERROR(CheckHugepages(spec));
  RETURN_IF_ERROR(CheckNuma(spec));
  RETURN_IF_ERROR(CheckPins(spec));
  RETURN_IF_ERROR(
      CheckGivenSet("placement.emulator_host_cpus", spec.placement().emulator_host_cpus()));
  return CheckGivenSet("placement.memory_host_nodes", spec.placement().memory_host_nodes());
}

void NormalizePlacement(v1::VmSpec& spec) {
  for (v1::Numa::Node& node : *spec.mutable_numa()->mutable_nodes()) Rewrite(node.mutable_cpus());
  if (spec.numa().nodes().empty()) spec.clear_numa();
  v1::HostPlacement& placement = *spec.mutable_placement();
  std::sort(placement.mutable_vcpu_pins()->begin(), placement.mutable_vcpu_pins()->end(),
            [](const auto& a, const auto& b) { return a.vcpu() < b.vcpu(); });
  for (auto& pin : *placement.mutable_vcpu_pins()) Rewrite(pin.mutable_host_cpus());
  Rewrite(placement.mutable_emulator_host_cpus());
  Rewrite(placement.mutable_memory_host_nodes());
  if (placement.ByteSizeLong() == 0) spec.clear_placement();
}

void ResolvePlacement(const v1::VmSpec& spec, DomainSpec& domain) {
  for (const v1::Numa::Node& node : spec.numa().nodes()) {
    domain.numa_nodes.push_back({.cpus = SetOf(node.cpus()), .memory_mib = node.memory_mib()});
  }
  const v1::HostPlacement& placement = spec.placement();
  for (const v1::HostPlacement::VcpuPin& pin : placement.vcpu_pins()) {
    domain.host.vcpu_pins.push_back({.vcpu = pin.vcpu(), .host_cpus = SetOf(pin.host_cpus())});
  }
  domain.host.emulator_cpus = SetOf(placement.emulator_host_cpus());
  domain.host.memory_nodes = SetOf(placement.memory_host_nodes());
  domain.host.hugepage_kib = placement.hugepage_kib();
}

}  // namespace hvagent::domain_xml
