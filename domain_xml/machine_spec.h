// What a guest sees as its mainboard and its processors, and where on the node it lives. Plain
// values, part of a DomainSpec.
#ifndef HVAGENT_DOMAIN_XML_MACHINE_SPEC_H_
#define HVAGENT_DOMAIN_XML_MACHINE_SPEC_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hvagent::domain_xml {

enum class Firmware { kBios, kUefi };
enum class CpuMode { kDefault, kHostModel, kHostPassthrough, kNamed };
enum class CpuPolicy { kForce, kRequire, kOptional, kDisable, kForbid };

struct CpuFeature {
  std::string name;
  CpuPolicy policy = CpuPolicy::kRequire;
  friend bool operator==(const CpuFeature&, const CpuFeature&) = default;
};

struct CpuTopology {
  uint32_t sockets = 1;
  uint32_t cores = 1;
  uint32_t threads = 1;
  friend bool operator==(const CpuTopology&, const CpuTopology&) = default;
};

struct Cpu {
  CpuMode mode = CpuMode::kDefault;
  std::string model;                 // with kNamed only
  std::vector<CpuFeature> features;  // not with kDefault
  std::optional<CpuTopology> topology;
  friend bool operator==(const Cpu&, const Cpu&) = default;
};

// The guest's; its number is its place among them.
struct NumaNode {
  std::set<uint32_t> cpus;  // the guest's vCPUs
  uint64_t memory_mib = 0;
  friend bool operator==(const NumaNode&, const NumaNode&) = default;
};

struct VcpuPin {
  uint32_t vcpu = 0;
  std::set<uint32_t> host_cpus;
  friend bool operator==(const VcpuPin&, const VcpuPin&) = default;
};

// Empty and 0 say nothing.
struct HostPlacement {
  std::vector<VcpuPin> vcpu_pins;  // in the order of the vCPUs
  std::set<uint32_t> emulator_cpus;
  std::set<uint32_t> memory_nodes;  // the node's NUMA nodes; strictly there
  uint64_t hugepage_kib = 0;
  friend bool operator==(const HostPlacement&, const HostPlacement&) = default;
};

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_MACHINE_SPEC_H_
