// What a guest sees as its mainboard and its processors. Plain values, part of a DomainSpec.
#ifndef HVAGENT_DOMAIN_XML_MACHINE_SPEC_H_
#define HVAGENT_DOMAIN_XML_MACHINE_SPEC_H_

#include <cstdint>
#include <optional>
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

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_MACHINE_SPEC_H_
