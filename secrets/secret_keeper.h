// Makes libvirt's record of a key right: look, plan, act, look again.
//
// Nothing of another secret is ever changed. libvirt cannot change the usage of a secret nor give
// a usage a second one, so what stands in the way is named and left to the operator.
#ifndef HVAGENT_SECRETS_SECRET_KEEPER_H_
#define HVAGENT_SECRETS_SECRET_KEEPER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "secrets/ceph_key.h"
#include "secrets/secret_store.h"

namespace hvagent::secrets {

// The value of a secret, against the key that it shall hold.
enum class ValueState {
  kNone,  // never set, or lost: defining and setting are two calls
  kEqual,
  kDifferent,
  kUnreadable,  // private: libvirt does not give it back, so it can only be set again
};

struct SecretStep {
  enum class Kind { kDefine, kSetValue };

  Kind kind;
  std::string reason;  // for people
};

// What has to be done so that `desired` is there with its value, in order; empty when it is.
// `present` is all that the store holds, and `value` that of the one with desired's UUID (kNone
// when there is none). Pure. `ephemeral` and `is_private` count when the record is made; one that
// is there keeps its own.
// Errors: FAILED_PRECONDITION (SECRET_CONFLICT) when the usage belongs to another UUID or the UUID
// has another usage, naming each secret in the way and what to do.
absl::StatusOr<std::vector<SecretStep>> PlanSecret(const SecretRecord& desired,
                                                   absl::Span<const SecretRecord> present,
                                                   ValueState value);

struct SyncResult {
  SecretRecord record;            // as it is, or with dry_run would be
  bool has_value = false;         // now
  std::vector<SecretStep> steps;  // done, or with dry_run to do
};

// Makes `store` hold `key` as `desired`. With `dry_run` only plans. Idempotent: when all is right
// it writes nothing. A step that failed leaves what the steps before it did; the next call goes on
// from there. Blocks, as the store does.
// Errors: PlanSecret's; ABORTED (SECRET_CHANGED) when somebody else changes the secret meanwhile;
// the store's.
absl::StatusOr<SyncResult> SyncSecret(SecretStore& store, const SecretRecord& desired,
                                      const CephKey& key, bool dry_run);

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_SECRET_KEEPER_H_
