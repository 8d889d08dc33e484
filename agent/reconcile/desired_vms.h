// What VMs shall be on this node: the one place that changes it. Each change is durable and
// queued when a call returns; whether it came true is on the status board.
//
// Thread-safe; blocks on the state, and Apply of another spec also on libvirt and Ceph.
#ifndef HVAGENT_AGENT_RECONCILE_DESIRED_VMS_H_
#define HVAGENT_AGENT_RECONCILE_DESIRED_VMS_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/reconcile/plan.h"
#include "agent/reconcile/reconciler.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/state/request_log.h"
#include "agent/state/state_store.h"
#include "base/clock.h"
#include "base/keyed_lock.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::reconcile {

class DesiredVms {
 public:
  // Everything passed by reference outlives this object.
  DesiredVms(state::StateStore& state, state::RequestLog& requests, VmWorker& worker,
             Reconciler& reconciler, const Clock& clock);

  // `spec` is valid here and below; it is stored normalized.
  // Every change may also fail with ABORTED (VM_CHANGED), when a push changed the VM meanwhile.
  // Errors: ALREADY_EXISTS (VM_EXISTS, VM_NAME_TAKEN, REQUEST_ID_REUSED).
  absl::StatusOr<state::VmRecord> Create(const v1::VmSpec& spec, const state::RequestKey& request);

  // Creates, or changes what may change of a VM (vm_change.h). A VM of which nothing exists yet may
  // change altogether. The same again looks at the VM again.
  // Errors: ALREADY_EXISTS (VM_NAME_TAKEN, REQUEST_ID_REUSED), FAILED_PRECONDITION
  // (VM_SPEC_DIFFERS naming the fields, VM_DELETING).
  absl::StatusOr<state::VmRecord> Apply(const v1::VmSpec& spec, const state::RequestKey& request);

  // What Apply would do. Errors: as Apply, and those that the actions would meet.
  absl::StatusOr<std::vector<Action>> DryRun(const v1::VmSpec& spec);
  // What would be done if `vm` were stored. Errors: ALREADY_EXISTS (VM_NAME_TAKEN), and those that
  // the actions would meet.
  absl::StatusOr<std::vector<Action>> DryRun(const state::VmRecord& vm);

  // Errors: NOT_FOUND, FAILED_PRECONDITION (VM_DELETING), ALREADY_EXISTS (REQUEST_ID_REUSED).
  absl::StatusOr<state::VmRecord> SetPower(absl::string_view id, v1::PowerState power, bool force,
                                           const state::RequestKey& request);

  // Stops the guest, by force or by asking, and starts it with the definition of then; one that
  // does not run is started. Goes on by itself, whatever becomes of the agent or of who asked.
  // Errors: as SetPower.
  absl::StatusOr<state::VmRecord> Restart(absl::string_view id, bool force,
                                          const state::RequestKey& request);

  // Adds a volume to the VM's spec, or takes one away. The same again changes nothing.
  // Errors: NOT_FOUND (VM_NOT_FOUND), INVALID_ARGUMENT ("volume.id"), FAILED_PRECONDITION
  // (VM_DELETING; VOLUME_ATTACHED: with other settings), ALREADY_EXISTS (REQUEST_ID_REUSED).
  absl::StatusOr<state::VmRecord> AttachVolume(absl::string_view id,
                                               const v1::VolumeAttachment& volume,
                                               const state::RequestKey& request);
  absl::StatusOr<state::VmRecord> DetachVolume(absl::string_view id, const std::string& volume_id,
                                               const state::RequestKey& request);

  // Marks for deletion. A request that was answered before gets NOT_FOUND once the VM is gone,
  // with reason ALREADY_DELETED. Errors: NOT_FOUND, ALREADY_EXISTS (REQUEST_ID_REUSED).
  absl::StatusOr<state::VmRecord> Delete(absl::string_view id, const state::RequestKey& request);

  // By UUID or name. Errors: NOT_FOUND (VM_NOT_FOUND).
  absl::StatusOr<state::VmRecord> Find(absl::string_view id);

 private:
  absl::StatusOr<state::VmRecord> Store(state::VmChange change, const state::RequestKey& request);
  // Stores what `change` makes of the VM's spec, once it is the VM's turn.
  absl::StatusOr<state::VmRecord> ChangeSpec(absl::string_view id,
                                             absl::FunctionRef<absl::Status(v1::VmSpec&)> change,
                                             const state::RequestKey& request);
  // What Apply stores for `spec`.
  absl::StatusOr<state::VmChange> ChangeFor(const v1::VmSpec& spec);

  state::StateStore& state_;
  state::RequestLog& requests_;
  VmWorker& worker_;
  Reconciler& reconciler_;
  const Clock& clock_;
  KeyedMutex<Uuid> changing_;  // makes read-check-write of one VM one step
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_DESIRED_VMS_H_
