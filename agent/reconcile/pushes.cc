#include "agent/reconcile/pushes.h"

#include <algorithm>
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

// A VM of the push.
struct Pushes::Wish {
  Uuid uuid;
  const state::VmHead* head = nullptr;  // null: there is no such VM
  bool known = false;                   // its record says so already
  // Once it is admitted, and its UUID was canonical: how it was said.
  bool admitted = false;
  std::string bytes;
  // Of the record that says so, once it is decided.
  int64_t generation = 0;
  absl::Time create_time;
};

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

absl::StatusOr<v1::PushStateResponse> Pushes::Push(v1::PushStateRequest& push,
                                                   const std::string& digest,
                                                   const state::RequestKey& request, Admit admit,
                                                   absl::FunctionRef<absl::Status()> prepare) {
  const MutexLock lock(pushing_);
  ASSIGN_OR_RETURN(Heads heads, LoadHeads(push));
  std::vector<Wish> wishes(push.vms_size());
  RETURN_IF_ERROR(AdmitVms(heads, admit, push, wishes));
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
      ASSIGN_OR_RETURN(decision, Decide(push, heads, wishes));
    }
    if (attempt == 1) RETURN_IF_ERROR(prepare());
    if (!repeated) {
      if (push.dry_run()) {
        AddActions(decision);
      } else {
        const absl::Status committed =
            requests_.Commit({.vms = decision.changes, .push = now}, request);
        if (absl::IsAborted(committed) && attempt < kAttempts) {
          ASSIGN_OR_RETURN(heads, LoadHeads(push));
          RETURN_IF_ERROR(AdmitVms(heads, admit, push, wishes));
          continue;
        }
        RETURN_IF_ERROR(committed);
        if (now.has_value()) last = *now;
        Remember(push, wishes);
        for (const state::VmChange& change : decision.changes) reconciler_.Enqueue(change.vm.uuid);
      }
    }
    decision.response.set_controller(last.controller);
    decision.response.set_term(last.term);
    decision.response.set_generation(last.generation);
    return std::move(decision.response);
  }
}

absl::StatusOr<Pushes::Heads> Pushes::LoadHeads(const v1::PushStateRequest& push) {
  if (push.kind() == v1::PushStateRequest::FULL) return state_.ListVmHeads();
  Heads heads;
  for (const v1::PushedVm& vm : push.vms()) {
    const auto uuid = Uuid::Parse(vm.spec().uuid());
    if (!uuid.ok()) continue;  // refused with its spec
    ASSIGN_OR_RETURN(const auto head, state_.GetVmHead(*uuid));
    if (head.has_value()) heads.push_back(*head);
  }
  std::sort(heads.begin(), heads.end(),
            [](const state::VmHead& a, const state::VmHead& b) { return a.uuid < b.uuid; });
  return heads;
}

absl::Status Pushes::AdmitVms(const Heads& heads, Admit admit, v1::PushStateRequest& push,
                              std::vector<Wish>& wishes) {
  const bool controlled = push.term() != 0;
  for (int i = 0; i < push.vms_size(); ++i) {
    Wish& wish = wishes[i];
    if (!wish.admitted) {
      const v1::VmSpec& said = push.vms(i).spec();
      const state::VmHead* head = known_.Find(said, heads);
      wish.known = head != nullptr && !head->deleting && (head->claimed || !controlled);
      if (wish.known) {
        wish.uuid = head->uuid;
        wish.head = head;
        continue;
      }
      ASSIGN_OR_RETURN(v1::VmSpec admitted, admit(said, absl::StrCat("vms[", i, "].spec")));
      ASSIGN_OR_RETURN(wish.uuid, Uuid::Parse(admitted.uuid()));
      if (said.uuid() == admitted.uuid()) wish.bytes = KnownSpecs::BytesOf(said);
      *push.mutable_vms(i)->mutable_spec() = std::move(admitted);
      wish.admitted = true;
    }
    wish.head = FindHead(heads, wish.uuid);
  }
  return absl::OkStatus();
}

void Pushes::Remember(const v1::PushStateRequest& push, std::vector<Wish>& wishes) {
  for (Wish& wish : wishes) {
    if (wish.bytes.empty()) continue;
    known_.Remember(wish.uuid, std::move(wish.bytes), wish.generation, wish.create_time);
  }
  if (push.kind() == v1::PushStateRequest::FULL) known_.ForgetOthers(push);
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

absl::StatusOr<Pushes::Decision> Pushes::Decide(const v1::PushStateRequest& push,
                                                const Heads& heads, std::vector<Wish>& wishes) {
  Decision decision;
  for (int i = 0; i < push.vms_size(); ++i) {
    const absl::Status decided = DecideVm(push.vms(i), push.term() != 0, wishes[i], decision);
    if (!decided.ok()) return Annotate(decided, absl::StrCat("vms[", i, "]"));
  }
  for (int i = 0; i < push.deletions_size(); ++i) {
    RETURN_IF_ERROR(
        Annotate(DecideDeletion(push.deletions(i), decision), absl::StrCat("deletions[", i, "]")));
  }
  if (push.kind() == v1::PushStateRequest::FULL) {
    RETURN_IF_ERROR(DecideLeftOut(push, heads, wishes, decision));
  }
  return decision;
}

absl::Status Pushes::DecideVm(const v1::PushedVm& pushed, bool controlled, Wish& wish,
                              Decision& decision) {
  if (pushed.has_if_generation()) {
    RETURN_IF_ERROR(CheckSeen(pushed.spec().uuid(), pushed.if_generation(),
                              wish.head == nullptr ? 0 : wish.head->generation));
  }
  if (wish.known) {
    decision.response.set_unchanged(decision.response.unchanged() + 1);
    return absl::OkStatus();
  }
  std::optional<VmRecord> before;
  if (wish.head != nullptr) {
    ASSIGN_OR_RETURN(before, state_.GetVm(wish.uuid));
  }
  ASSIGN_OR_RETURN(DecidedChange decided,
                   DecideChange(before, pushed.spec(), worker_, clock_.Now()));
  VmRecord& vm = decided.change.vm;
  wish.generation = vm.generation;
  wish.create_time = vm.create_time;
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

absl::Status Pushes::DecideDeletion(const v1::PushedDeletion& pushed, Decision& decision) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(pushed.uuid()));
  ASSIGN_OR_RETURN(const auto stored, state_.GetVm(uuid));
  const int64_t generation = stored.has_value() ? stored->generation : 0;
  if (pushed.has_if_generation()) {
    if (generation == 0) {
      return Error(absl::StatusCode::kNotFound, "VM_NOT_FOUND",
                   absl::StrCat("there is no VM ", pushed.uuid(), " on this node"));
    }
    RETURN_IF_ERROR(CheckSeen(pushed.uuid(), pushed.if_generation(), generation));
  }
  if (stored.has_value() && !stored->deleting) decision.AddDeletion(*stored);
  return absl::OkStatus();
}

absl::Status Pushes::DecideLeftOut(const v1::PushStateRequest& push, const Heads& heads,
                                   const std::vector<Wish>& wishes, Decision& decision) {
  std::vector<bool> named(heads.size());
  for (const Wish& wish : wishes) {
    if (wish.head != nullptr) named[wish.head - heads.data()] = true;
  }
  std::vector<std::string> deleted;
  for (size_t i = 0; i < heads.size(); ++i) {
    if (named[i] || (heads[i].claimed && heads[i].deleting)) continue;
    if (!heads[i].claimed) {
      decision.response.add_unclaimed(heads[i].uuid.ToString());
      continue;
    }
    ASSIGN_OR_RETURN(const auto vm, state_.GetVm(heads[i].uuid));
    if (!vm.has_value()) continue;
    decision.AddDeletion(*vm);
    deleted.push_back(vm->spec.name());
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
