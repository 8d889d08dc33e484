// Which node has a VM.
#ifndef HVAGENT_AGENTCTL_VM_LOOKUP_H_
#define HVAGENT_AGENTCTL_VM_LOOKUP_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/node.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::agentctl {

struct FoundVm {
  Node* node = nullptr;
  v1::Vm vm;
};

// Asks all targets at once for `id`, a UUID or a name.
// Errors: NOT_FOUND (VM_NOT_FOUND); FAILED_PRECONDITION (VM_AMBIGUOUS) when several nodes have
// one, naming them; UNAVAILABLE when none has it but not all answered, or, if it is `for_change`
// and `id` is a name, when one has it but not all answered: another VM may bear the name.
absl::StatusOr<FoundVm> FindVm(Cli& cli, const std::string& id, bool for_change);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_VM_LOOKUP_H_
