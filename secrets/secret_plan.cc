#include "secrets/secret_plan.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "secrets/secret_identity.h"

namespace hvagent::secrets {
namespace {

using Kind = SecretStep::Kind;

// The namespace of spares' UUIDs.
constexpr Uuid::Bytes kSpares = {0x6a, 0x0c, 0x1d, 0x5e, 0x42, 0x9f, 0x4d, 0x33,
                                 0x9b, 0x1a, 0x70, 0x55, 0xe2, 0x84, 0xc6, 0x91};

std::string Name(const SecretRecord& record) {
  return absl::StrCat(record.uuid.ToString(), " (usage \"", record.usage, "\")");
}

// Whether `record` keeps libvirt from making `desired`.
bool IsInTheWay(const SecretRecord& record, const SecretRecord& desired) {
  const bool same_uuid = record.uuid == desired.uuid;
  const bool same_usage = record.usage == desired.usage;
  if (same_uuid && same_usage) return record.is_private && !desired.is_private;
  return same_uuid || same_usage;
}

std::string WhyInTheWay(const SecretRecord& record, const SecretRecord& desired) {
  if (record.uuid != desired.uuid) return "it has the usage under another UUID";
  if (record.usage != desired.usage) return "it has the UUID under another usage";
  return "it is private, which libvirt cannot take back";
}

std::vector<SecretRecord> InTheWay(const SecretRecord& desired,
                                   const std::vector<SecretRecord>& present) {
  std::vector<SecretRecord> records;
  std::copy_if(present.begin(), present.end(), std::back_inserter(records),
               [&](const SecretRecord& record) { return IsInTheWay(record, desired); });
  return records;
}

const SecretRecord* Find(const std::vector<SecretRecord>& records, const Uuid& uuid) {
  const auto it = std::find_if(records.begin(), records.end(),
                               [&](const SecretRecord& record) { return record.uuid == uuid; });
  return it == records.end() ? nullptr : &*it;
}

// What may not be replaced without an operator's word.
absl::Status CheckOurs(const SecretRecord& desired, const std::vector<SecretRecord>& obstacles,
                       const SecretObservation& observed) {
  std::vector<std::string> conflicts;
  for (const SecretRecord& record : obstacles) {
    if (!observed.ours.contains(record.uuid)) {
      conflicts.push_back(absl::StrCat(
          "libvirt's secret ", Name(record),
          " is in the way and was not made by this agent: ", WhyInTheWay(record, desired)));
    }
    for (const DomainUse& domain : observed.domains) {
      if (domain.is_ours || !domain.defined_with.contains(record.uuid)) continue;
      conflicts.push_back(absl::StrCat("domain ", domain.name,
                                       ", which is not this agent's, names secret ",
                                       record.uuid.ToString()));
    }
  }
  if (conflicts.empty()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "SECRET_CONFLICT",
      absl::StrCat("cannot keep secret ", Name(desired), ": ", absl::StrJoin(conflicts, "; "),
                   ". If they are meant for the same cephx user, sync with --adopt, which "
                   "replaces them safely; else choose another --uuid and --usage"));
}

class Planner {
 public:
  explicit Planner(const SecretObservation& observed) : observed_(observed) {}

  void Define(const SecretRecord& record, absl::string_view why_define, absl::string_view why_set) {
    steps_.push_back({Kind::kDefine, record, {}, std::string(why_define), {}});
    SetValue(record, why_set);
  }
  void SetValue(const SecretRecord& record, absl::string_view why) {
    steps_.push_back({Kind::kSetValue, record, {}, std::string(why), {}});
  }
  // Moves the domains that name `from` to `to`, and removes `from`.
  void Retire(const SecretRecord& from, const Uuid& to, absl::string_view why) {
    std::vector<std::string> names;
    for (const DomainUse& domain : observed_.domains) {
      const bool moved_here = named_by_moved_ == from.uuid && moved_.contains(domain.uuid);
      if (!moved_here && !domain.defined_with.contains(from.uuid)) continue;
      names.push_back(domain.name);
      moved_.insert(domain.uuid);
    }
    if (!names.empty()) {
      steps_.push_back({Kind::kMoveDomains, from, to, "no domain may be left without a secret",
                        std::move(names)});
    }
    named_by_moved_ = to;
    steps_.push_back({Kind::kUndefine, from, {}, std::string(why), {}});
  }

  std::vector<SecretStep> Take() && { return std::move(steps_); }

 private:
  const SecretObservation& observed_;
  // The domains that the steps so far move, and what they name then.
  std::set<Uuid> moved_;
  Uuid named_by_moved_;
  std::vector<SecretStep> steps_;
};

}  // namespace

SecretRecord SpareOf(const SecretRecord& desired) {
  SecretRecord spare = desired;
  spare.usage = absl::StrCat("hypervisor-agent spare of ", desired.usage);
  spare.uuid = DeriveSecretUuid(Uuid(kSpares), desired.usage);
  return spare;
}

bool NeedsDomains(const SecretRecord& desired, const std::vector<SecretRecord>& present) {
  return !InTheWay(desired, present).empty() || Find(present, SpareOf(desired).uuid) != nullptr;
}

absl::StatusOr<std::vector<SecretStep>> PlanSecret(const SecretRecord& desired,
                                                   const SecretObservation& observed, bool adopt) {
  const std::vector<SecretRecord> obstacles = InTheWay(desired, observed.present);
  const SecretRecord spare = SpareOf(desired);
  const SecretRecord* found = Find(observed.present, desired.uuid);
  Planner planner(observed);
  if (!obstacles.empty()) {
    if (!adopt) RETURN_IF_ERROR(CheckOurs(desired, obstacles, observed));
    planner.Define(spare, "domains need a secret while theirs is replaced",
                   "a new secret has no value");
    for (const SecretRecord& obstacle : obstacles) {
      planner.Retire(obstacle, spare.uuid, WhyInTheWay(obstacle, desired));
    }
    planner.Define(desired, "it takes the place of what was in the way",
                   "a new secret has no value");
  } else if (found == nullptr) {
    planner.Define(desired, "libvirt has no such secret", "a new secret has no value");
  } else {
    if (*found != desired) {
      planner.Define(desired, "it is kept another way than it shall be",
                     "its value goes along with that");
    } else if (observed.value == ValueState::kNone) {
      planner.SetValue(desired, "it has no value");
    } else if (observed.value == ValueState::kDifferent) {
      planner.SetValue(desired, "its value is another key");
    } else if (observed.value == ValueState::kUnreadable) {
      planner.SetValue(desired, "it is private, so its value cannot be compared");
    }
  }
  if (!obstacles.empty() || Find(observed.present, spare.uuid) != nullptr) {
    planner.Retire(spare, desired.uuid, "the secret itself is there again");
  }
  return std::move(planner).Take();
}

}  // namespace hvagent::secrets
