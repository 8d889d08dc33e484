#include "agent/keeper/secret_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"
#include "secrets/fingerprint.h"
#include "secrets/secret_identity.h"

namespace hvagent::keeper {
namespace {

using secrets::DomainUse;
using secrets::SecretBytes;
using secrets::SecretClaim;
using secrets::SecretRecord;
using secrets::SecretStep;
using secrets::ValueState;
using state::SecretBinding;

// A notice of our own write comes within this.
constexpr absl::Duration kOwnNotice = absl::Seconds(2);

std::string Name(const SecretRecord& record) {
  return absl::StrCat(record.uuid.ToString(), " (usage \"", record.usage, "\")");
}

SecretRecord RecordOf(const SecretBinding& binding) {
  return {.uuid = binding.uuid,
          .usage = binding.usage,
          .ephemeral = binding.ephemeral,
          .is_private = binding.is_private};
}

const SecretRecord* Find(const std::vector<SecretRecord>& records, const Uuid& uuid) {
  const auto it = std::find_if(records.begin(), records.end(),
                               [&](const SecretRecord& record) { return record.uuid == uuid; });
  return it == records.end() ? nullptr : &*it;
}

std::vector<std::string> RunningWith(const std::vector<DomainUse>& domains, const Uuid& uuid,
                                     const std::string& entity) {
  std::vector<std::string> names;
  for (const DomainUse& domain : domains) {
    if (RunsWith(domain, uuid, entity)) names.push_back(domain.name);
  }
  return names;
}

// Guests whose secret the steps replace.
std::vector<std::string> RunningWithReplaced(const secrets::SecretObservation& observed,
                                             const std::vector<SecretStep>& steps) {
  std::set<std::string> names;
  for (const SecretStep& step : steps) {
    if (step.kind != SecretStep::Kind::kUndefine) continue;
    for (std::string& name : RunningWith(observed.domains, step.record.uuid, "")) {
      names.insert(std::move(name));
    }
  }
  return {names.begin(), names.end()};
}

std::string Summary(const std::vector<SecretStep>& steps) {
  return absl::StrJoin(steps, "; ", [](std::string* out, const SecretStep& step) {
    absl::StrAppend(out, step.reason);
  });
}

}  // namespace

SecretKeeper::SecretKeeper(KeeperParts parts, secrets::Sealer sealer)
    : parts_(parts), sealer_(std::move(sealer)), domains_(parts.hypervisor) {}

absl::StatusOr<SecretSyncResult> SecretKeeper::Sync(const SecretWish& wish,
                                                    const secrets::CephKey& key) {
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(const std::optional<SecretClaim> claim, parts_.keys.GetClaim(wish.entity));
  ASSIGN_OR_RETURN(const SecretRecord desired, Identify(wish, claim));
  RETURN_IF_ERROR(CheckUnshared(wish, desired));
  RETURN_IF_ERROR(parts_.keys.Prove(wish.entity, key));
  const absl::Time proved = parts_.clock.Now();
  ASSIGN_OR_RETURN(const SecretBytes salt, Salt());
  const std::string fingerprint = secrets::Fingerprint(salt, key.value());

  ASSIGN_OR_RETURN(const std::optional<SecretBinding> before, parts_.state.GetSecret(wish.entity));
  ASSIGN_OR_RETURN(const Look look, LookAndPlan(desired, key.value(), wish.adopt));
  if (before.has_value()) {
    RETURN_IF_ERROR(CheckReplacement(wish, *before, fingerprint, look.observed.present));
  }
  SecretSyncResult result{.record = desired,
                          .has_value = look.observed.value != ValueState::kNone,
                          .steps = look.steps,
                          .running = RunningWithReplaced(look.observed, look.steps)};
  if (claim.has_value()) result.claimed = claim->uuid;
  if (wish.dry_run) return result;

  RETURN_IF_ERROR(parts_.keys.Claim(wish.entity, {desired.uuid, desired.usage}, wish.replaces));
  // Known before anything changes, so that a crash from here on is made good by Keep. The key's
  // fingerprint comes after its value: a guest that starts in between is taken to have the older.
  SecretBinding binding{.entity = wish.entity,
                        .uuid = desired.uuid,
                        .usage = desired.usage,
                        .ephemeral = desired.ephemeral,
                        .is_private = desired.is_private,
                        .replacing = true,
                        .sealed_key = sealer_.Seal(key.value(), wish.entity),
                        .prove_time = proved};
  if (before.has_value()) {
    binding.superseded_by = before->superseded_by;
    binding.fingerprint = before->fingerprint;
    binding.generation_unix_s = before->generation_unix_s;
  }
  if (!look.steps.empty()) RETURN_IF_ERROR(parts_.state.PutSecret(binding));
  RETURN_IF_ERROR(Run(desired, key.value(), look.steps));
  RETURN_IF_ERROR(Settle(std::move(binding), key, fingerprint));
  result.has_value = true;
  MutexLock facts(facts_mutex_);
  problems_[wish.entity] = absl::OkStatus();
  return result;
}

absl::StatusOr<SecretRecord> SecretKeeper::Identify(const SecretWish& wish,
                                                    const std::optional<SecretClaim>& claim) {
  SecretRecord record{
      .usage = wish.usage, .ephemeral = wish.ephemeral, .is_private = wish.is_private};
  if (wish.uuid.has_value()) record.uuid = *wish.uuid;
  if (claim.has_value()) {
    if (!wish.uuid.has_value()) record.uuid = claim->uuid;
    if (wish.usage.empty()) record.usage = claim->usage;
    return record;
  }
  if (wish.uuid.has_value() && !wish.usage.empty()) return record;
  ASSIGN_OR_RETURN(const block::ClusterInfo cluster, parts_.block.GetCluster());
  ASSIGN_OR_RETURN(const Uuid fsid, Uuid::Parse(cluster.fsid));
  if (!wish.uuid.has_value()) record.uuid = secrets::DeriveSecretUuid(fsid, wish.entity);
  if (wish.usage.empty()) record.usage = secrets::DeriveUsage(fsid, wish.entity);
  return record;
}

absl::Status SecretKeeper::CheckUnshared(const SecretWish& wish, const SecretRecord& desired) {
  ASSIGN_OR_RETURN(const std::vector<SecretBinding> bindings, parts_.state.ListSecrets());
  for (const SecretBinding& other : bindings) {
    if (other.entity == wish.entity) continue;
    if (other.uuid != desired.uuid && other.usage != desired.usage) continue;
    return Error(absl::StatusCode::kFailedPrecondition, "SECRET_CONFLICT",
                 absl::StrCat("cannot keep secret ", Name(desired), " for ", wish.entity,
                              ": this node keeps ", Name(RecordOf(other)), " for ", other.entity,
                              "; choose another --uuid and --usage"));
  }
  return absl::OkStatus();
}

// A key that replaces the one that guests were started with.
absl::Status SecretKeeper::CheckReplacement(const SecretWish& wish, const SecretBinding& before,
                                            const std::string& fingerprint,
                                            const std::vector<SecretRecord>& present) {
  if (wish.force || before.fingerprint.empty() || before.fingerprint == fingerprint) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::vector<DomainUse> domains, domains_.List(present));
  const std::vector<std::string> running = RunningWith(domains, before.uuid, before.entity);
  if (running.empty()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "SECRET_IN_USE",
      absl::StrCat(
          "this is another key for ", wish.entity,
          ", and guests run with the one before: ", absl::StrJoin(running, ", "),
          ". A guest keeps its key until it is restarted or migrated, and loses Ceph when "
          "its tickets end (auth_service_ticket_ttl and auth_mon_ticket_ttl after their "
          "last renewal: 1 h and 72 h unless configured). Rotate to another entity to lose "
          "nothing (`secret rotate`), or sync with --force and restart them in time"));
}

absl::StatusOr<ValueState> SecretKeeper::Compare(const SecretRecord& desired,
                                                 const SecretBytes& value) {
  const absl::StatusOr<SecretBytes> held = parts_.store.GetValue(desired.uuid);
  if (held.ok()) return held->Equals(value) ? ValueState::kEqual : ValueState::kDifferent;
  // NOT_FOUND is also a secret that went away since it was listed: setting its value will tell.
  if (absl::IsNotFound(held.status())) return ValueState::kNone;
  if (absl::IsPermissionDenied(held.status())) {
    return trusted_.contains(desired.uuid) ? ValueState::kEqual : ValueState::kUnreadable;
  }
  return held.status();
}

absl::StatusOr<SecretKeeper::Look> SecretKeeper::LookAndPlan(const SecretRecord& desired,
                                                             const SecretBytes& value, bool adopt) {
  Look look;
  ASSIGN_OR_RETURN(look.observed.present, parts_.store.List());
  if (Find(look.observed.present, desired.uuid) != nullptr) {
    ASSIGN_OR_RETURN(look.observed.value, Compare(desired, value));
  }
  if (secrets::NeedsDomains(desired, look.observed.present)) {
    ASSIGN_OR_RETURN(look.observed.domains, domains_.List(look.observed.present));
    ASSIGN_OR_RETURN(const std::vector<SecretBinding> bindings, parts_.state.ListSecrets());
    for (const SecretBinding& binding : bindings) look.observed.ours.insert(binding.uuid);
  }
  ASSIGN_OR_RETURN(look.steps, secrets::PlanSecret(desired, look.observed, adopt));
  return look;
}

absl::Status SecretKeeper::RunStep(const SecretStep& step, const SecretBytes& value) {
  {
    MutexLock facts(facts_mutex_);
    written_[step.record.uuid] = parts_.clock.Monotonic();
  }
  switch (step.kind) {
    case SecretStep::Kind::kDefine:
      return Annotate(parts_.store.Define(step.record),
                      absl::StrCat("define secret ", Name(step.record)));
    case SecretStep::Kind::kSetValue:
      return Annotate(parts_.store.SetValue(step.record.uuid, value),
                      absl::StrCat("set the value of secret ", Name(step.record)));
    case SecretStep::Kind::kMoveDomains:
      return domains_.Move(step.record, step.to);
    case SecretStep::Kind::kUndefine: {
      const absl::Status status = parts_.store.Undefine(step.record.uuid);
      if (absl::IsNotFound(status)) return absl::OkStatus();
      return Annotate(status, absl::StrCat("undefine secret ", Name(step.record)));
    }
  }
  return absl::InternalError("unknown step");
}

absl::Status SecretKeeper::Run(const SecretRecord& desired, const SecretBytes& value,
                               const std::vector<SecretStep>& steps) {
  if (steps.empty()) return absl::OkStatus();
  trusted_.erase(desired.uuid);
  for (const SecretStep& step : steps) RETURN_IF_ERROR(RunStep(step, value));
  if (desired.is_private) trusted_.insert(desired.uuid);
  ASSIGN_OR_RETURN(const Look after, LookAndPlan(desired, value, /*adopt=*/true));
  if (after.steps.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kAborted, "SECRET_CHANGED",
               absl::StrCat("secret ", Name(desired), " was set, but is not as it was set (",
                            Summary(after.steps),
                            "): somebody else changes it; stop that, then sync again"));
}

absl::Status SecretKeeper::Settle(SecretBinding binding, const secrets::CephKey& key,
                                  const std::string& fingerprint) {
  binding.replacing = false;
  binding.fingerprint = fingerprint;
  binding.generation_unix_s = absl::ToUnixSeconds(key.create_time());
  return parts_.state.PutSecret(binding);
}

absl::Status SecretKeeper::FollowClaim(SecretBinding& binding) {
  const absl::StatusOr<std::optional<SecretClaim>> claim = parts_.keys.GetClaim(binding.entity);
  // What is here is kept while Ceph is away.
  if (absl::IsUnavailable(claim.status()) || absl::IsDeadlineExceeded(claim.status())) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(claim.status());
  const SecretClaim ours{binding.uuid, binding.usage};
  if (!claim->has_value()) return parts_.keys.Claim(binding.entity, ours, std::nullopt);
  if (**claim == ours) return absl::OkStatus();
  LOG(WARNING) << "secret of " << binding.entity << ": the cluster agreed on "
               << (*claim)->uuid.ToString() << " instead of " << binding.uuid.ToString()
               << "; this node follows";
  binding.uuid = (*claim)->uuid;
  binding.usage = (*claim)->usage;
  binding.replacing = true;
  return parts_.state.PutSecret(binding);
}

absl::Status SecretKeeper::Keep(const SecretBinding& binding) {
  ASSIGN_OR_RETURN(const SecretBytes value, KeptValue(binding));
  const SecretRecord desired = RecordOf(binding);
  ASSIGN_OR_RETURN(const Look look, LookAndPlan(desired, value, binding.replacing));
  RETURN_IF_ERROR(Run(desired, value, look.steps));
  if (binding.replacing) {
    ASSIGN_OR_RETURN(const secrets::CephKey key, secrets::CephKeyOf(value));
    ASSIGN_OR_RETURN(const SecretBytes salt, Salt());
    RETURN_IF_ERROR(Settle(binding, key, secrets::Fingerprint(salt, value)));
  }
  if (look.steps.empty() || look.observed.value == ValueState::kUnreadable) return absl::OkStatus();
  LOG(WARNING) << "secret " << Name(desired) << " of " << binding.entity
               << " was not as it shall be, and is again: " << Summary(look.steps);
  MutexLock facts(facts_mutex_);
  ++repairs_;
  return absl::OkStatus();
}

absl::Status SecretKeeper::KeepAll(bool doubt_private) {
  MutexLock lock(mutex_);
  if (doubt_private) trusted_.clear();
  ASSIGN_OR_RETURN(std::vector<SecretBinding> bindings, parts_.state.ListSecrets());
  absl::Status first;
  std::map<std::string, absl::Status> problems;
  for (SecretBinding& binding : bindings) {
    if (binding.sealed_key.empty()) continue;  // never given, or retired
    absl::Status status = FollowClaim(binding);
    if (status.ok()) status = Keep(binding);
    problems[binding.entity] =
        Annotate(status, absl::StrCat("keep the secret of ", binding.entity));
    first.Update(problems[binding.entity]);
  }
  MutexLock facts(facts_mutex_);
  problems_ = std::move(problems);
  return first;
}

absl::Status SecretKeeper::KeepForStart(const std::string& entity) {
  ASSIGN_OR_RETURN(const std::optional<SecretBinding> binding, parts_.state.GetSecret(entity));
  if (!binding.has_value() || !binding->ephemeral) return absl::OkStatus();
  MutexLock lock(mutex_);
  return Keep(*binding);
}

absl::Status SecretKeeper::Health() const {
  MutexLock lock(facts_mutex_);
  for (const auto& [entity, problem] : problems_) RETURN_IF_ERROR(problem);
  return absl::OkStatus();
}

int64_t SecretKeeper::repairs() const {
  MutexLock lock(facts_mutex_);
  return repairs_;
}

bool SecretKeeper::WroteJustNow(const Uuid& uuid) const {
  MutexLock lock(facts_mutex_);
  const auto it = written_.find(uuid);
  return it != written_.end() && parts_.clock.Monotonic() - it->second < kOwnNotice;
}

absl::StatusOr<SecretBytes> SecretKeeper::Salt() {
  {
    MutexLock lock(facts_mutex_);
    if (!salt_.empty()) return salt_.Clone();
  }
  ASSIGN_OR_RETURN(SecretBytes salt, parts_.keys.FingerprintSalt());
  MutexLock lock(facts_mutex_);
  salt_ = salt.Clone();
  return salt;
}

absl::StatusOr<SecretBytes> SecretKeeper::KeptValue(const SecretBinding& binding) const {
  if (!binding.sealed_key.empty()) return sealer_.Open(binding.sealed_key, binding.entity);
  return Error(absl::StatusCode::kNotFound, "SECRET_KEY_UNKNOWN",
               absl::StrCat("this node does not know the key of ", binding.entity,
                            ": run `agentctl secret sync --entity ", binding.entity, "`"));
}

absl::Status SecretKeeper::Supersede(const std::string& entity, const std::string& by) {
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(std::optional<SecretBinding> binding, parts_.state.GetSecret(entity));
  if (!binding.has_value()) {
    return Error(absl::StatusCode::kNotFound, "SECRET_NOT_SYNCED",
                 absl::StrCat("this node keeps no secret of ", entity));
  }
  binding->superseded_by = by;
  return parts_.state.PutSecret(*binding);
}

absl::Status SecretKeeper::Forget(const SecretBinding& binding) {
  MutexLock lock(mutex_);
  // First what is kept, or Keep would make the secret again.
  SecretBinding retired = binding;
  retired.sealed_key.clear();
  retired.fingerprint.clear();
  RETURN_IF_ERROR(retired.superseded_by.empty() ? parts_.state.RemoveSecret(binding.entity)
                                                : parts_.state.PutSecret(retired));
  trusted_.erase(binding.uuid);
  {
    MutexLock facts(facts_mutex_);
    problems_.erase(binding.entity);
  }
  const absl::Status undefined = parts_.store.Undefine(binding.uuid);
  return absl::IsNotFound(undefined) ? absl::OkStatus() : undefined;
}

}  // namespace hvagent::keeper
