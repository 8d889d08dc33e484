#include "agent/reconcile/vm_change.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "domain_xml/vm_spec.h"

namespace hvagent::reconcile {

absl::Status BeingDeleted(const state::VmRecord& vm) {
  return Error(absl::StatusCode::kFailedPrecondition, "VM_DELETING",
               absl::StrCat("VM ", vm.uuid.ToString(), " (", vm.spec.name(),
                            ") is being deleted: wait until it is gone"));
}

absl::StatusOr<DecidedChange> DecideChange(const std::optional<state::VmRecord>& stored,
                                           v1::VmSpec wanted, VmWorker& worker, absl::Time now) {
  if (!stored.has_value()) {
    ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(wanted.uuid()));
    return DecidedChange{
        .change = {
            .vm = {.uuid = uuid, .spec = std::move(wanted), .generation = 1, .create_time = now}}};
  }
  if (stored->deleting) return BeingDeleted(*stored);
  DecidedChange decided{.change = {.vm = *stored, .seen_generation = stored->generation},
                        .fields = domain_xml::DifferingFields(stored->spec, wanted)};
  if (decided.fields.empty()) return decided;
  std::vector<std::string> fixed;
  std::copy_if(decided.fields.begin(), decided.fields.end(), std::back_inserter(fixed),
               [](const std::string& field) { return field != "power_state"; });
  if (!fixed.empty()) {
    ASSIGN_OR_RETURN(const bool nothing_exists, worker.NothingExists(*stored));
    if (!nothing_exists) {
      return Error(absl::StatusCode::kFailedPrecondition, "VM_SPEC_DIFFERS",
                   absl::StrCat("VM ", stored->uuid.ToString(), " (", stored->spec.name(),
                                ") exists with another spec: only power_state can change, not ",
                                absl::StrJoin(fixed, ", "), "; delete it first"));
    }
  }
  state::VmRecord& vm = decided.change.vm;
  vm.spec = std::move(wanted);
  vm.force_stop = false;
  vm.restart = false;
  ++vm.generation;
  return decided;
}

}  // namespace hvagent::reconcile
