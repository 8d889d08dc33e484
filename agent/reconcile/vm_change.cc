#include "agent/reconcile/vm_change.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "domain_xml/spec_change.h"

namespace hvagent::reconcile {
namespace {

using domain_xml::ChangeConsequence;

v1::Consequence ConsequenceOf(ChangeConsequence consequence) {
  switch (consequence) {
    case ChangeConsequence::kHot:
      return v1::HOT;
    case ChangeConsequence::kPendingRestart:
      return v1::NEEDS_RESTART;
    case ChangeConsequence::kRecordOnly:
    case ChangeConsequence::kRefused:
      break;
  }
  return v1::CONSEQUENCE_UNSPECIFIED;
}

const char* PowerChange(v1::PowerState from, v1::PowerState to) {
  if (to == v1::STOPPED) return "the guest is stopped";
  if (to == v1::PAUSED) return "the guest is paused, or started paused";
  return from == v1::PAUSED ? "the guest is resumed" : "the guest is started";
}

v1::FieldChange Shown(const domain_xml::SpecChange& change) {
  v1::FieldChange shown;
  shown.set_path(change.path);
  shown.set_consequence(ConsequenceOf(change.consequence));
  shown.set_how(change.how);
  return shown;
}

}  // namespace

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
  DecidedChange decided{.change = {.vm = *stored, .seen_generation = stored->generation}};
  const auto spec_changes = domain_xml::CompareSpecs(stored->spec, wanted);
  std::vector<std::string> refused;
  for (const domain_xml::SpecChange& change : spec_changes) {
    decided.fields.push_back(Shown(change));
    if (change.consequence != ChangeConsequence::kRefused) continue;
    refused.push_back(absl::StrCat(change.path, " (", change.how, ")"));
  }
  if (!refused.empty()) {
    ASSIGN_OR_RETURN(const bool nothing_exists, worker.NothingExists(*stored));
    if (!nothing_exists) {
      return Error(absl::StatusCode::kFailedPrecondition, "VM_SPEC_DIFFERS",
                   absl::StrCat("VM ", stored->uuid.ToString(), " (", stored->spec.name(),
                                ") exists with another spec, and what differs cannot change: ",
                                absl::StrJoin(refused, ", "), "; delete it first"));
    }
  }
  if (!spec_changes.empty()) decided.change.replaces = stored->spec;
  if (stored->spec.power_state() != wanted.power_state()) {
    v1::FieldChange& power = decided.fields.emplace_back();
    power.set_path("power_state");
    power.set_how(PowerChange(stored->spec.power_state(), wanted.power_state()));
    if (wanted.power_state() == v1::STOPPED) power.set_consequence(v1::STOPS_GUEST);
    decided.change.vm.stays_off = false;
  }
  if (decided.fields.empty()) return decided;
  state::VmRecord& vm = decided.change.vm;
  vm.spec = std::move(wanted);
  vm.force_stop = false;
  vm.restart = false;
  ++vm.generation;
  return decided;
}

}  // namespace hvagent::reconcile
