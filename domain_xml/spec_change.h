// What the difference between two specs of a VM means to its guest. Pure; thread-safe.
#ifndef HVAGENT_DOMAIN_XML_SPEC_CHANGE_H_
#define HVAGENT_DOMAIN_XML_SPEC_CHANGE_H_

#include <string>
#include <vector>

#include "hvagent/v1/vm.pb.h"

namespace hvagent::domain_xml {

enum class ChangeConsequence {
  // The guest and its domain have nothing of it: true as soon as it is recorded.
  kRecordOnly,
  // A running guest can get it as it runs: libvirt 9.0 with QEMU 7.2 does it.
  kHot,
  // Only another definition has it; a running guest goes on as it is until its next start.
  kPendingRestart,
  // Not of a VM that exists.
  kRefused,
};

// "PENDING_RESTART"
const char* ConsequenceName(ChangeConsequence consequence);

struct SpecChange {
  enum class Kind { kChanged, kAdded, kRemoved };

  // As "root_disk.size_gib" or "volumes[1]". An index is that of the new spec, and of the old one
  // for what is removed. Volumes are told apart by id, NICs by MAC and CPU features by name, so
  // that one that only moved up is no change; another order of those that stay is a change of
  // "volumes", "nics" or "cpu.features".
  std::string path;
  Kind kind = Kind::kChanged;
  ChangeConsequence consequence = ChangeConsequence::kPendingRestart;
  // What would be done, or why nothing can be: "the disk is grown; a running guest is told".
  std::string how;
  friend bool operator==(const SpecChange&, const SpecChange&) = default;
};

// Every difference of the normalized specs but power_state, which is no part of what the guest is.
// Both are valid, and of a VM that exists: a mere wish may change altogether. In the order of the
// fields; empty when they are the same wish.
std::vector<SpecChange> CompareSpecs(const v1::VmSpec& from, const v1::VmSpec& to);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_SPEC_CHANGE_H_
