// Sets of CPUs or NUMA nodes as libvirt writes them: "0-3,8".
#ifndef HVAGENT_DOMAIN_XML_CPU_SET_H_
#define HVAGENT_DOMAIN_XML_CPU_SET_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hvagent::domain_xml {

// Numbers below 4096. Errors: INVALID_ARGUMENT with what is wrong, for the caller to put a field
// to.
absl::StatusOr<std::set<uint32_t>> ParseCpuSet(absl::string_view text);

// The one form of a set: ascending, each run of neighbours as "first-last". Empty for none.
std::string FormatCpuSet(const std::set<uint32_t>& cpus);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_CPU_SET_H_
