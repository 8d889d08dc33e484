#include "agent/reconcile/pushes.h"

#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/reconcile/vm_change.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::reconcile {
namespace {

using state::PushRecord;
using state::VmRecord;

// How often a push is decided anew, since single VMs were changed while it was.
constexpr int kAttempts = 5;

std::string ToText(const PushRecord& push) {
  return absl::StrCat("term ", push.term, ", generation ", push.generation, " of controller \"",
                      push.controller, "\"");
}

absl::Status Refused(absl::string_view reason, const v1::PushStateRequest& push,
                     const PushRecord& last, absl::string_view why) {
  return Error(
      absl::StatusCode::kFailedPrecondition, reason,
      absl::StrCat("the push with ",
                   ToText({push.controller(), push.term(), push.generation(), /*digest=*/""}),
                   " is refused: ", why, "; the last one here is ", ToText(last)));
}

// The sender decided on what it had seen.
absl::Status CheckSeen(absl::string_view uuid, int64_t wanted, int64_t generation) {
  if (wanted == generation) return absl::OkStatus();
  return Error(
      absl::StatusCode::kAborted, "VM_CHANGED",
      absl::StrCat("VM ", uuid, " is not as the push saw it: ",
                   generation == 0 ? "it does not exist" : absl::StrCat("generation ", generation),
                   ", not ", wanted == 0 ? "absent" : absl::StrCat(wanted),
                   "; look at it and push again"));
}

v1::VmChange Shown(const VmRecord& vm, v1::VmChange::Kind kind) {
  v1::VmChange change;
  change.set_uuid(vm.uuid.ToString());
  change.set_name(vm.spec.name());
  change.set_kind(kind);
  change.set_generation(vm.generation);
  return change;
}

}  // namespace

// What a push makes of what is stored.
struct Pushes::Decision {
  std::vector<state::VmChange> changes;
  v1::PushStateResponse response;

  void Add(state::VmChange change, v1::VmChange::Kind kind,
           std::vector<v1::FieldChange> fields = {}) {
    v1::VmChange shown = Shown(change.vm, kind);
    for (v1::FieldChange& field : fields) *shown.add_fields() = std::move(field);
    *response.add_changes() = std::move(shown);
    changes.push_back(std::move(change));
  }

  void AddDeletion(const VmRecord& stored) {
    state::VmChange change{stored, stored.generation};
    change.vm.deleting = true;
    ++change.vm.generation;
    Add(std::move(change), v1::VmChange::DELETE);
  }
};

Pushes::Pushes(state::StateStore& state, state::RequestLog& requests, VmWorker& worker,
               DesiredVms& vms, Reconciler& reconciler, const Clock& clock)
    : state_(state),
      requests_(requests),
      worker_(worker),
      vms_(vms),
      reconciler_(reconciler),
      clock_(clock) {}

absl::StatusOr<v1::PushStateResponse> Pushes::Push(const v1::PushStateRequest& push,
                                                   const std::string& digest,
                                                   const state::RequestKey& request,
                                                   absl::FunctionRef<absl::Status()> prepare) {
  const MutexLock lock(pushing_);
  ASSIGN_OR_RETURN(PushRecord last, state_.GetLastPush());
  std::optional<PushRecord> now;
  bool repeated = false;
  if (push.term() != 0) {
    ASSIGN_OR_RETURN(now, TakeTurn(push, digest, last));
    repeated = !now.has_value();
  }
  if (!push.dry_run() && !repeated) {
    ASSIGN_OR_RETURN(repeated, requests_.WasAnswered(request));
  }
  for (int attempt = 1;; ++attempt) {
    Decision decision;
    if (repeated) {
      decision.response.set_unchanged(static_cast<uint32_t>(push.vms_size()));
    } else {
      ASSIGN_OR_RETURN(const Stored stored, Load(push));
      ASSIGN_OR_RETURN(decision, Decide(push, stored));
    }
    if (attempt == 1) RETURN_IF_ERROR(prepare());
    if (!repeated) {
      if (push.dry_run()) {
        AddActions(decision);
      } else {
        const absl::Status committed =
            requests_.Commit({.vms = decision.changes, .push = now}, request);
        if (absl::IsAborted(committed) && attempt < kAttempts) continue;
        RETURN_IF_ERROR(committed);
        if (now.has_value()) last = *now;
        for (const state::VmChange& change : decision.changes) reconciler_.Enqueue(change.vm.uuid);
      }
    }
    decision.response.set_controller(last.controller);
    decision.response.set_term(last.term);
    decision.response.set_generation(last.generation);
    return std::move(decision.response);
  }
}

absl::StatusOr<std::optional<PushRecord>> Pushes::TakeTurn(const v1::PushStateRequest& push,
                                                           const std::string& digest,
                                                           const PushRecord& last) {
  const PushRecord now{push.controller(), push.term(), push.generation(), digest};
  if (now.term < last.term) {
    return Refused("STALE_TERM", push, last, "another controller took the node over");
  }
  if (now.term > last.term) return now;
  if (now.controller != last.controller) {
    return Refused("TERM_TAKEN", push, last,
                   "a term belongs to one controller: to take the node over, use a higher one");
  }
  if (now.generation < last.generation) {
    return Refused("STALE_GENERATION", push, last, "a later one was accepted");
  }
  if (now.generation > last.generation) return now;
  if (now.digest != last.digest) {
    return Refused("GENERATION_REUSED", push, last,
                   "this generation said something else before: use the next one");
  }
  return std::nullopt;
}

absl::StatusOr<Pushes::Stored> Pushes::Load(const v1::PushStateRequest& push) {
  Stored stored;
  if (push.kind() == v1::PushStateRequest::FULL) {
    ASSIGN_OR_RETURN(std::vector<VmRecord> all,
                     state_.ListVms(Uuid(), std::numeric_limits<size_t>::max()));
    for (VmRecord& vm : all) stored.emplace_hint(stored.end(), vm.uuid, std::move(vm));
    return stored;
  }
  std::vector<absl::string_view> named;
  for (const v1::PushedVm& vm : push.vms()) named.push_back(vm.spec().uuid());
  for (const v1::PushedDeletion& deletion : push.deletions()) named.push_back(deletion.uuid());
  for (const absl::string_view id : named) {
    ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(id));
    ASSIGN_OR_RETURN(auto vm, state_.GetVm(uuid));
    if (vm.has_value()) stored.emplace(uuid, *std::move(vm));
  }
  return stored;
}

absl::StatusOr<Pushes::Decision> Pushes::Decide(const v1::PushStateRequest& push,
                                                const Stored& stored) {
  Decision decision;
  for (int i = 0; i < push.vms_size(); ++i) {
    RETURN_IF_ERROR(Annotate(DecideVm(push.vms(i), push.term() != 0, stored, decision),
                             absl::StrCat("vms[", i, "]")));
  }
  for (int i = 0; i < push.deletions_size(); ++i) {
    RETURN_IF_ERROR(Annotate(DecideDeletion(push.deletions(i), stored, decision),
                             absl::StrCat("deletions[", i, "]")));
  }
  if (push.kind() == v1::PushStateRequest::FULL) {
    RETURN_IF_ERROR(DecideLeftOut(push, stored, decision));
  }
  return decision;
}

absl::Status Pushes::DecideVm(const v1::PushedVm& pushed, bool controlled, const Stored& stored,
                              Decision& decision) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(pushed.spec().uuid()));
  std::optional<VmRecord> before;
  if (const auto it = stored.find(uuid); it != stored.end()) before = it->second;
  if (pushed.has_if_generation()) {
    RETURN_IF_ERROR(CheckSeen(pushed.spec().uuid(), pushed.if_generation(),
                              before.has_value() ? before->generation : 0));
  }
  ASSIGN_OR_RETURN(DecidedChange decided,
                   DecideChange(before, pushed.spec(), worker_, clock_.Now()));
  VmRecord& vm = decided.change.vm;
  const bool claims = controlled && !vm.claimed;
  vm.claimed = vm.claimed || controlled;
  if (!before.has_value()) {
    decision.Add(std::move(decided.change), v1::VmChange::CREATE);
  } else if (!decided.fields.empty()) {
    decision.Add(std::move(decided.change), v1::VmChange::UPDATE, std::move(decided.fields));
  } else if (claims) {
    decision.Add(std::move(decided.change), v1::VmChange::CLAIM);
  } else {
    decision.response.set_unchanged(decision.response.unchanged() + 1);
  }
  return absl::OkStatus();
}

absl::Status Pushes::DecideDeletion(const v1::PushedDeletion& pushed, const Stored& stored,
                                    Decision& decision) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(pushed.uuid()));
  const auto it = stored.find(uuid);
  const int64_t generation = it == stored.end() ? 0 : it->second.generation;
  if (pushed.has_if_generation()) {
    if (generation == 0) {
      return Error(absl::StatusCode::kNotFound, "VM_NOT_FOUND",
                   absl::StrCat("there is no VM ", pushed.uuid(), " on this node"));
    }
    RETURN_IF_ERROR(CheckSeen(pushed.uuid(), pushed.if_generation(), generation));
  }
  if (generation != 0 && !it->second.deleting) decision.AddDeletion(it->second);
  return absl::OkStatus();
}

absl::Status Pushes::DecideLeftOut(const v1::PushStateRequest& push, const Stored& stored,
                                   Decision& decision) {
  std::set<Uuid> named;
  for (const v1::PushedVm& vm : push.vms()) {
    ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(vm.spec().uuid()));
    named.insert(uuid);
  }
  std::vector<std::string> deleted;
  for (const auto& [uuid, vm] : stored) {
    if (named.contains(uuid)) continue;
    if (!vm.claimed) {
      decision.response.add_unclaimed(uuid.ToString());
    } else if (!vm.deleting) {
      decision.AddDeletion(vm);
      deleted.push_back(vm.spec.name());
    }
  }
  if (deleted.size() <= push.max_deletions()) return absl::OkStatus();
  const size_t count = deleted.size();
  if (count > 5) deleted.resize(5);
  return Error(absl::StatusCode::kFailedPrecondition, "TOO_MANY_DELETIONS",
               absl::StrCat("the push leaves out ", count, " VM(s) of this node (",
                            absl::StrJoin(deleted, ", "), count > 5 ? ", ..." : "",
                            "), which would delete them, and its max_deletions is ",
                            push.max_deletions(), ": nothing was changed"));
}

v1::VmProblem ProblemOf(const std::string& uuid, const std::string& name, const absl::Status& why) {
  v1::VmProblem problem;
  problem.set_uuid(uuid);
  problem.set_name(name);
  problem.set_reason(ErrorReason(why).value_or(absl::StatusCodeToString(why.code())));
  problem.set_message(std::string(why.message()));
  return problem;
}

void Pushes::AddActions(Decision& decision) {
  for (size_t i = 0; i < decision.changes.size(); ++i) {
    v1::VmChange& shown = *decision.response.mutable_changes(static_cast<int>(i));
    const absl::StatusOr<std::vector<Action>> actions = vms_.DryRun(decision.changes[i].vm);
    if (!actions.ok()) {
      *decision.response.add_problems() = ProblemOf(shown.uuid(), shown.name(), actions.status());
      continue;
    }
    for (const Action& action : *actions) *shown.add_actions() = Shown(action);
  }
}

}  // namespace hvagent::reconcile
