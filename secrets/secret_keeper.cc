#include "secrets/secret_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::secrets {
namespace {

struct Observation {
  std::vector<SecretRecord> present;
  ValueState value = ValueState::kNone;
};

const SecretRecord* Find(absl::Span<const SecretRecord> records, const Uuid& uuid) {
  const auto it = std::find_if(records.begin(), records.end(),
                               [&](const SecretRecord& record) { return record.uuid == uuid; });
  return it == records.end() ? nullptr : &*it;
}

std::string Name(const SecretRecord& record) {
  return absl::StrCat(record.uuid.ToString(), " (usage \"", record.usage, "\")");
}

// What is in the way of `desired`; empty when nothing is.
std::vector<std::string> Conflicts(const SecretRecord& desired,
                                   absl::Span<const SecretRecord> present) {
  std::vector<std::string> conflicts;
  for (const SecretRecord& record : present) {
    if ((record.uuid == desired.uuid) == (record.usage == desired.usage)) continue;
    const std::string uuid = record.uuid.ToString();
    conflicts.push_back(absl::StrCat(
        "libvirt has the secret ", Name(record),
        record.uuid == desired.uuid ? ", and the usage of a secret cannot be changed"
                                    : ", and a usage belongs to one secret only",
        "; if it is meant for the same cephx user, sync with --uuid ", uuid, " --usage \"",
        record.usage, "\", else remove it once no domain uses it: virsh secret-undefine ", uuid));
  }
  return conflicts;
}

absl::StatusOr<ValueState> Compare(SecretStore& store, const Uuid& uuid, const CephKey& key) {
  const absl::StatusOr<SecretBytes> value = store.GetValue(uuid);
  if (value.ok()) {
    return value->Equals(key.value()) ? ValueState::kEqual : ValueState::kDifferent;
  }
  // NOT_FOUND is also a secret that went away since it was listed: setting its value will tell.
  if (absl::IsNotFound(value.status())) return ValueState::kNone;
  if (absl::IsPermissionDenied(value.status())) return ValueState::kUnreadable;
  return value.status();
}

absl::StatusOr<Observation> Observe(SecretStore& store, const SecretRecord& desired,
                                    const CephKey& key) {
  Observation observation;
  ASSIGN_OR_RETURN(observation.present, store.List());
  if (Find(observation.present, desired.uuid) != nullptr) {
    ASSIGN_OR_RETURN(observation.value, Compare(store, desired.uuid, key));
  }
  return observation;
}

absl::Status Run(const SecretStep& step, SecretStore& store, const SecretRecord& desired,
                 const CephKey& key) {
  switch (step.kind) {
    case SecretStep::Kind::kDefine:
      return Annotate(store.Define(desired), absl::StrCat("define secret ", Name(desired)));
    case SecretStep::Kind::kSetValue:
      return Annotate(store.SetValue(desired.uuid, key.value()),
                      absl::StrCat("set the value of secret ", Name(desired)));
  }
  return absl::OkStatus();
}

// A private secret can be seen to exist, and no more.
bool IsRight(const SecretRecord& desired, const Observation& after) {
  const SecretRecord* record = Find(after.present, desired.uuid);
  return record != nullptr && record->usage == desired.usage &&
         (after.value == ValueState::kEqual || after.value == ValueState::kUnreadable);
}

}  // namespace

absl::StatusOr<std::vector<SecretStep>> PlanSecret(const SecretRecord& desired,
                                                   absl::Span<const SecretRecord> present,
                                                   ValueState value) {
  if (const auto conflicts = Conflicts(desired, present); !conflicts.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "SECRET_CONFLICT",
                 absl::StrCat("cannot keep secret ", Name(desired), ": ",
                              absl::StrJoin(conflicts, "; and ")));
  }
  using Kind = SecretStep::Kind;
  if (Find(present, desired.uuid) == nullptr) {
    return std::vector<SecretStep>{{Kind::kDefine, "libvirt has no such secret"},
                                   {Kind::kSetValue, "a new secret has no value"}};
  }
  switch (value) {
    case ValueState::kNone:
      return std::vector<SecretStep>{{Kind::kSetValue, "it has no value"}};
    case ValueState::kDifferent:
      return std::vector<SecretStep>{{Kind::kSetValue, "its value is another key"}};
    case ValueState::kUnreadable:
      return std::vector<SecretStep>{
          {Kind::kSetValue, "it is private, so its value cannot be compared"}};
    case ValueState::kEqual:
      break;
  }
  return std::vector<SecretStep>{};
}

absl::StatusOr<SyncResult> SyncSecret(SecretStore& store, const SecretRecord& desired,
                                      const CephKey& key, bool dry_run) {
  ASSIGN_OR_RETURN(Observation observation, Observe(store, desired, key));
  SyncResult result;
  ASSIGN_OR_RETURN(result.steps, PlanSecret(desired, observation.present, observation.value));
  if (!dry_run && !result.steps.empty()) {
    for (const SecretStep& step : result.steps) RETURN_IF_ERROR(Run(step, store, desired, key));
    ASSIGN_OR_RETURN(observation, Observe(store, desired, key));
    if (!IsRight(desired, observation)) {
      return Error(absl::StatusCode::kAborted, "SECRET_CHANGED",
                   absl::StrCat("secret ", Name(desired), " was set, but is not as it was set: ",
                                "somebody else changes it; stop that, then sync again"));
    }
  }
  const SecretRecord* record = Find(observation.present, desired.uuid);
  result.record = record == nullptr ? desired : *record;
  result.has_value = observation.value != ValueState::kNone;
  return result;
}

}  // namespace hvagent::secrets
