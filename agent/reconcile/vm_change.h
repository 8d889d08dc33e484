// What a wish makes of a VM's record: the one place that decides which changes of a spec are
// allowed.
#ifndef HVAGENT_AGENT_RECONCILE_VM_CHANGE_H_
#define HVAGENT_AGENT_RECONCILE_VM_CHANGE_H_

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/state/state_store.h"
#include "hvagent/v1/push.pb.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::reconcile {

struct DecidedChange {
  // As it shall be stored; the same generation as before where the spec is the same.
  state::VmChange change;
  // Where the spec differs from what is stored, and what that means to the guest; empty for a new
  // VM.
  std::vector<v1::FieldChange> fields;
};

// The record of `wanted` (valid and normalized), given the one that is stored. Blocks on libvirt
// and Ceph where something differs that a VM which exists cannot change.
// Errors: FAILED_PRECONDITION (VM_DELETING; VM_SPEC_DIFFERS naming the fields and why they cannot
// change), UNAVAILABLE, DEADLINE_EXCEEDED.
absl::StatusOr<DecidedChange> DecideChange(const std::optional<state::VmRecord>& stored,
                                           v1::VmSpec wanted, VmWorker& worker, absl::Time now);

// FAILED_PRECONDITION (VM_DELETING).
absl::Status BeingDeleted(const state::VmRecord& vm);

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_VM_CHANGE_H_
