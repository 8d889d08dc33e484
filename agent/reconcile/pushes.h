// What a controller, or an operator for some VMs, says that this node's VMs shall be: accepted
// whole, durable and queued when a call returns, or refused without any effect.
//
// A controller's pushes are ordered by (term, generation), so that neither a late one nor a second
// controller undoes what came after; an operator's compare each VM's own generation. Thread-safe;
// blocks on the state, and where specs change or a plan is asked for on libvirt and Ceph.
#ifndef HVAGENT_AGENT_RECONCILE_PUSHES_H_
#define HVAGENT_AGENT_RECONCILE_PUSHES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/reconcile/desired_vms.h"
#include "agent/reconcile/known_specs.h"
#include "agent/reconcile/reconciler.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/state/request_log.h"
#include "agent/state/state_store.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "hvagent/v1/push.pb.h"

namespace hvagent::reconcile {

// Why a VM is not, or would not be, as it shall be.
v1::VmProblem ProblemOf(const std::string& uuid, const std::string& name, const absl::Status& why);

class Pushes {
 public:
  // What the edge makes of a spec: checked and canonical. An error, whose field is under `path`,
  // refuses the push.
  using Admit =
      absl::FunctionRef<absl::StatusOr<v1::VmSpec>(const v1::VmSpec& spec, absl::string_view path)>;

  // Everything passed by reference outlives this object.
  Pushes(state::StateStore& state, state::RequestLog& requests, VmWorker& worker, DesiredVms& vms,
         Reconciler& reconciler, const Clock& clock);

  // `push` is valid (service/push_request.h) but for its specs, which `admit` makes canonical in
  // place: all of them before anything is decided, but for those that say what they said when this
  // VM was pushed last and has not changed since. `digest` is of what the push says, so that the
  // same push again is known. With dry_run, says only what would be done.
  // `prepare` makes right what the VMs need: it is called once, when nothing is left that would
  // refuse the push, and its error does. It is called for the same push again, too.
  // Errors: as NodeService.PushState.
  absl::StatusOr<v1::PushStateResponse> Push(v1::PushStateRequest& push, const std::string& digest,
                                             const state::RequestKey& request, Admit admit,
                                             absl::FunctionRef<absl::Status()> prepare);

 private:
  using Heads = std::vector<state::VmHead>;
  struct Wish;
  struct Decision;

  // Errors: FAILED_PRECONDITION (STALE_TERM, TERM_TAKEN, STALE_GENERATION, GENERATION_REUSED).
  // nullopt when `push` is the last one again.
  static absl::StatusOr<std::optional<state::PushRecord>> TakeTurn(const v1::PushStateRequest& push,
                                                                   const std::string& digest,
                                                                   const state::PushRecord& last);

  // Of the VMs that the push is about, ordered by UUID: all of the node's for a FULL one.
  absl::StatusOr<Heads> LoadHeads(const v1::PushStateRequest& push);
  // Looks up each VM of the push in `heads`, and admits those that are not known.
  absl::Status AdmitVms(const Heads& heads, Admit admit, v1::PushStateRequest& push,
                        std::vector<Wish>& wishes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(pushing_);
  absl::StatusOr<Decision> Decide(const v1::PushStateRequest& push, const Heads& heads,
                                  std::vector<Wish>& wishes);
  absl::Status DecideVm(const v1::PushedVm& pushed, bool controlled, Wish& wish,
                        Decision& decision);
  absl::Status DecideDeletion(const v1::PushedDeletion& pushed, Decision& decision);
  absl::Status DecideLeftOut(const v1::PushStateRequest& push, const Heads& heads,
                             const std::vector<Wish>& wishes, Decision& decision);
  // The push was accepted.
  void Remember(const v1::PushStateRequest& push, std::vector<Wish>& wishes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(pushing_);
  // Adds what would be done for each change.
  void AddActions(Decision& decision);

  state::StateStore& state_;
  state::RequestLog& requests_;
  VmWorker& worker_;
  DesiredVms& vms_;
  Reconciler& reconciler_;
  const Clock& clock_;
  Mutex pushing_;  // one push at a time; single VMs may change meanwhile
  KnownSpecs known_ ABSL_GUARDED_BY(pushing_);
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_PUSHES_H_
