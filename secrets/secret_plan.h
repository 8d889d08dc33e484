// What has to be done so that libvirt holds one secret right. Pure: what is there comes in, steps
// come out.
//
// libvirt can change neither a secret's usage nor the UUID that a usage belongs to, and domains
// name a secret by its UUID. So what stands in the way is replaced over a spare: a second secret
// with the same key, to which domains are moved while the first is made anew. After each step, and
// so after a crash anywhere, every domain that could start before can start; planning again goes
// on from there.
#ifndef HVAGENT_SECRETS_SECRET_PLAN_H_
#define HVAGENT_SECRETS_SECRET_PLAN_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/uuid.h"
#include "secrets/secret_store.h"

namespace hvagent::secrets {

// The value of a secret, against the key that it shall hold.
enum class ValueState {
  kNone,  // never set, or lost: defining and setting are two calls
  kEqual,
  kDifferent,
  kUnreadable,  // private: libvirt does not give it back, so it can only be set again
};

// A domain whose disks name ceph secrets, all by UUID.
struct DomainUse {
  Uuid uuid;
  std::string name;
  bool is_ours = false;         // bears our mark
  std::set<Uuid> defined_with;  // named by its definition; empty for a transient one
  bool running = false;
  std::set<Uuid> runs_with;  // named by what runs
  // The entities, and so the keys, of those among them that libvirt has no more: a secret that was
  // replaced by one with another UUID.
  std::set<std::string> runs_as;
  // Of the key that its QEMU was given (secrets/fingerprint.h); empty: not known.
  std::string runs_with_fingerprint;
};

struct SecretObservation {
  std::vector<SecretRecord> present;     // all that the store holds
  ValueState value = ValueState::kNone;  // of the one with the desired UUID
  std::set<Uuid> ours;                   // secrets that this agent made or adopted
  std::vector<DomainUse> domains;        // as NeedsDomains says, else empty
};

struct SecretStep {
  enum class Kind {
    kDefine,       // `record`
    kSetValue,     // of `record`
    kMoveDomains,  // make every definition that names `record` name `to`
    kUndefine,     // `record`
  };

  Kind kind;
  SecretRecord record;
  Uuid to;
  std::string reason;                // for people
  std::vector<std::string> domains;  // that are moved, by name
  friend bool operator==(const SecretStep&, const SecretStep&) = default;
};

// The second secret of the replacement of `desired`.
SecretRecord SpareOf(const SecretRecord& desired);

// Whether the plan needs to know which domains name secrets: it replaces something, or was cut off
// while it did.
bool NeedsDomains(const SecretRecord& desired, const std::vector<SecretRecord>& present);

// The steps, in order; none when all is right. `adopt`: also replace secrets that are not ours, and
// move domains that are not ours.
// Errors: FAILED_PRECONDITION (SECRET_CONFLICT), naming each secret or domain that is in the way
// and not ours, and what to do.
absl::StatusOr<std::vector<SecretStep>> PlanSecret(const SecretRecord& desired,
                                                   const SecretObservation& observed, bool adopt);

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_SECRET_PLAN_H_
