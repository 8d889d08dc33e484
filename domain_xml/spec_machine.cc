#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/spec_checks.h"
#include "domain_xml/spec_parts.h"

namespace hvagent::domain_xml {
namespace {

constexpr uint64_t kMaxVcpus = 1024;
constexpr uint64_t kMinMemoryMib = 16;
constexpr uint64_t kMaxMemoryMib = uint64_t{64} << 20;  // 64 TiB
constexpr size_t kMaxMachineVersion = 32;
constexpr size_t kMaxCpuName = 63;
constexpr int kMaxCpuFeatures = 256;

absl::Status CheckMemory(const v1::VmSpec& spec) {
  RETURN_IF_ERROR(CheckRange("memory_mib", spec.memory_mib(), kMinMemoryMib, kMaxMemoryMib));
  if (spec.balloon().max_memory_mib() == 0) return absl::OkStatus();
  return CheckRange("balloon.max_memory_mib", spec.balloon().max_memory_mib(), spec.memory_mib(),
                    kMaxMemoryMib);
}

absl::Status CheckMachineName(absl::string_view machine) {
  if (machine.empty() || machine == "pc" || machine == "q35") return absl::OkStatus();
  absl::string_view version = machine;
  if (!absl::ConsumePrefix(&version, "pc-i440fx-") && !absl::ConsumePrefix(&version, "pc-q35-")) {
    return InvalidField("machine", "must be \"pc\", \"q35\", or a version as \"pc-q35-7.2\"");
  }
  return CheckSystemName("machine", version, kMaxMachineVersion);
}

absl::Status CheckTopology(const v1::CpuTopology& topology, uint32_t vcpus) {
  uint64_t product = 1;
  for (const uint32_t count : {topology.sockets(), topology.cores(), topology.threads()}) {
    // Each factor is bounded before the next, so that the product cannot wrap around.
    if (count > kMaxVcpus) {
      return InvalidField("topology", absl::StrCat("has more than ", kMaxVcpus, " of a kind"));
    }
    product *= count == 0 ? 1 : count;
  }
  if (product == vcpus) return absl::OkStatus();
  return InvalidField(
      "topology", absl::StrCat("has ", product, " threads in all, and the VM ", vcpus, " vcpus"));
}

absl::Status CheckFeatures(const v1::Cpu& cpu) {
  if (cpu.features_size() > kMaxCpuFeatures) {
    return InvalidField("features", absl::StrCat("there may be at most ", kMaxCpuFeatures));
  }
  std::set<std::string> names;
  for (int i = 0; i < cpu.features_size(); ++i) {
    const v1::CpuFeature& feature = cpu.features(i);
    const std::string path = absl::StrCat("features[", i, "]");
    RETURN_IF_ERROR(CheckSystemName(absl::StrCat(path, ".name"), feature.name(), kMaxCpuName));
    RETURN_IF_ERROR(
        CheckEnum(absl::StrCat(path, ".policy"), feature.policy(), v1::CpuFeature::Policy_IsValid));
    if (!names.insert(feature.name()).second) {
      return InvalidField(absl::StrCat(path, ".name"), "is there twice");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCpu(const v1::Cpu& cpu, uint32_t vcpus) {
  RETURN_IF_ERROR(CheckEnum("mode", cpu.mode(), v1::CpuMode_IsValid));
  if (!cpu.model().empty()) {
    RETURN_IF_ERROR(CheckSystemName("model", cpu.model(), kMaxCpuName));
    if (cpu.mode() == v1::HOST_MODEL || cpu.mode() == v1::HOST_PASSTHROUGH) {
      return InvalidField("model", "is for the mode NAMED: the others take the node's CPU");
    }
  } else if (cpu.mode() == v1::NAMED) {
    return InvalidField("model", "must be given with the mode NAMED");
  } else if (cpu.mode() == v1::CPU_MODE_UNSPECIFIED && cpu.features_size() > 0) {
    return InvalidField("features", "need a mode or a model that they change");
  }
  RETURN_IF_ERROR(CheckFeatures(cpu));
  return cpu.has_topology() ? CheckTopology(cpu.topology(), vcpus) : absl::OkStatus();
}

CpuMode ToCpuMode(v1::CpuMode mode) {
  switch (mode) {
    case v1::HOST_MODEL:
      return CpuMode::kHostModel;
    case v1::HOST_PASSTHROUGH:
      return CpuMode::kHostPassthrough;
    case v1::NAMED:
      return CpuMode::kNamed;
    default:
      return CpuMode::kDefault;
  }
}

CpuPolicy ToCpuPolicy(v1::CpuFeature::Policy policy) {
  switch (policy) {
    case v1::CpuFeature::FORCE:
      return CpuPolicy::kForce;
    case v1::CpuFeature::OPTIONAL:
      return CpuPolicy::kOptional;
    case v1::CpuFeature::DISABLE:
      return CpuPolicy::kDisable;
    case v1::CpuFeature::FORBID:
      return CpuPolicy::kForbid;
    default:
      return CpuPolicy::kRequire;
  }
}

}  // namespace

uint64_t MaxMemoryMib(const v1::VmSpec& spec) {
  return std::max(spec.memory_mib(), spec.balloon().max_memory_mib());
}

absl::Status ValidateMachine(const v1::VmSpec& spec) {
  RETURN_IF_ERROR(CheckRange("vcpus", spec.vcpus(), 1, kMaxVcpus));
  RETURN_IF_ERROR(CheckMemory(spec));
  RETURN_IF_ERROR(CheckMachineName(spec.machine()));
  RETURN_IF_ERROR(CheckEnum("firmware", spec.firmware(), v1::Firmware_IsValid));
  return PrefixField(CheckCpu(spec.cpu(), spec.vcpus()), "cpu");
}

void NormalizeMachine(v1::VmSpec& spec) {
  if (spec.machine().empty()) spec.set_machine("pc");
  if (spec.firmware() == v1::FIRMWARE_UNSPECIFIED) spec.set_firmware(v1::BIOS);
  if (spec.balloon().max_memory_mib() == spec.memory_mib()) {
    spec.mutable_balloon()->clear_max_memory_mib();
  }
  if (spec.balloon().ByteSizeLong() == 0) spec.clear_balloon();
  if (spec.cpu().ByteSizeLong() == 0) spec.clear_cpu();
  if (!spec.has_cpu()) return;
  v1::Cpu& cpu = *spec.mutable_cpu();
  if (!cpu.model().empty()) cpu.set_mode(v1::NAMED);
  for (v1::CpuFeature& feature : *cpu.mutable_features()) {
    if (feature.policy() == v1::CpuFeature::POLICY_UNSPECIFIED) {
      feature.set_policy(v1::CpuFeature::REQUIRE);
    }
  }
  if (cpu.has_topology()) {
    v1::CpuTopology& topology = *cpu.mutable_topology();
    if (topology.sockets() == 0) topology.set_sockets(1);
    if (topology.cores() == 0) topology.set_cores(1);
    if (topology.threads() == 0) topology.set_threads(1);
  }
}

void ResolveMachine(const v1::VmSpec& spec, DomainSpec& domain) {
  domain.vcpus = spec.vcpus();
  domain.memory_mib = spec.memory_mib();
  domain.max_memory_mib = spec.balloon().max_memory_mib();
  domain.machine = spec.machine();
  domain.firmware = spec.firmware() == v1::UEFI ? Firmware::kUefi : Firmware::kBios;
  domain.cpu.mode = ToCpuMode(spec.cpu().mode());
  domain.cpu.model = spec.cpu().model();
  for (const v1::CpuFeature& feature : spec.cpu().features()) {
    domain.cpu.features.push_back({feature.name(), ToCpuPolicy(feature.policy())});
  }
  if (spec.cpu().has_topology()) {
    const v1::CpuTopology& topology = spec.cpu().topology();
    domain.cpu.topology = CpuTopology{
        .sockets = topology.sockets(), .cores = topology.cores(), .threads = topology.threads()};
  }
}

}  // namespace hvagent::domain_xml
