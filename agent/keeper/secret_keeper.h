// Makes libvirt's secrets right at an operator's word (Sync), and right again whenever they are
// not (Keep): look, plan (secrets/secret_plan.h), act, look again.
//
// Keys are proved before they replace anything, and kept sealed in the node's state, so that what
// was right once can be made right again with nobody's help.
//
// Thread-safe; blocks on libvirt, Ceph and the state. One change at a time on a node.
#ifndef HVAGENT_AGENT_KEEPER_SECRET_KEEPER_H_
#define HVAGENT_AGENT_KEEPER_SECRET_KEEPER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/keeper/domain_secrets.h"
#include "agent/state/state_store.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "secrets/cluster_keys.h"
#include "secrets/sealer.h"
#include "secrets/secret_plan.h"
#include "secrets/secret_store.h"

namespace hvagent::keeper {

// What the keeper stands on; all of it outlives the keeper.
struct KeeperParts {
  secrets::SecretStore& store;
  secrets::ClusterKeys& keys;
  block::BlockStore& block;
  hypervisor::Hypervisor& hypervisor;
  state::StateStore& state;
  const Clock& clock;
};

struct SecretWish {
  std::string entity;
  // Left out: what the cluster agreed on, else derived.
  std::optional<Uuid> uuid;
  std::string usage;
  bool ephemeral = false;
  bool is_private = false;
  bool adopt = false;  // replace secrets, and move domains, that are not ours
  bool force = false;  // replace the key although guests run with the one before
  bool dry_run = false;
  // The UUID of the claim that `uuid` or `usage` may replace.
  std::optional<Uuid> replaces;
};

struct SecretSyncResult {
  secrets::SecretRecord record;            // as it is, or with dry_run would be
  bool has_value = false;                  // now
  std::vector<secrets::SecretStep> steps;  // done, or with dry_run to do
  std::optional<Uuid> claimed;             // what the cluster agreed on before
  std::vector<std::string> running;        // guests that run with what was replaced
};

class SecretKeeper {
 public:
  SecretKeeper(KeeperParts parts, secrets::Sealer sealer);

  // Errors: PlanSecret's; UNAUTHENTICATED (CEPH_KEY_REFUSED), UNAVAILABLE (the key cannot be proved
  // now; nothing was changed), FAILED_PRECONDITION (SECRET_CONFLICT: another entity has this UUID
  // or usage here; SECRET_IN_USE, naming the guests), ABORTED (SECRET_CLAIMED; SECRET_CHANGED:
  // somebody else changes the secret meanwhile).
  absl::StatusOr<SecretSyncResult> Sync(const SecretWish& wish, const secrets::CephKey& key);

  // Makes every secret that was synced right again, and follows the cluster's claims where Ceph can
  // be asked. Returns the first problem; the other secrets are seen to all the same. Writes nothing
  // where all is right, but values that cannot be read back when `doubt_private`.
  absl::Status KeepAll(bool doubt_private);

  // Before a guest of this entity starts: a secret that libvirt keeps in memory only may be gone
  // since libvirtd's restart, and is set again. Asks nobody for any other.
  absl::Status KeepForStart(const std::string& entity);

  // How the last look of each secret ended: OK, or the first problem. Does not block.
  absl::Status Health() const;
  // How often something was found wrong and made right, since the start.
  int64_t repairs() const;

  // Whether `uuid` was written by this keeper just now, so that a notice of it says nothing new.
  bool WroteJustNow(const Uuid& uuid) const;

  // The salt of fingerprints; asks the cluster once. Errors: ClusterKeys'.
  absl::StatusOr<secrets::SecretBytes> Salt();

  // The key that is kept for `binding`. Errors: NOT_FOUND (SECRET_KEY_UNKNOWN), DATA_LOSS.
  absl::StatusOr<secrets::SecretBytes> KeptValue(const state::SecretBinding& binding) const;

  // Guests start as `by` where they would have started as `entity`; empty: as `entity` again.
  // Errors: NOT_FOUND (SECRET_NOT_SYNCED).
  absl::Status Supersede(const std::string& entity, const std::string& by);

  // Removes the entity's secret from libvirt and from what is kept. Idempotent; checks nothing.
  absl::Status Forget(const state::SecretBinding& binding);

 private:
  struct Look {
    secrets::SecretObservation observed;
    std::vector<secrets::SecretStep> steps;
  };

  absl::StatusOr<secrets::SecretRecord> Identify(const SecretWish& wish,
                                                 const std::optional<secrets::SecretClaim>& claim);
  absl::Status CheckUnshared(const SecretWish& wish, const secrets::SecretRecord& desired);
  absl::Status CheckReplacement(const SecretWish& wish, const state::SecretBinding& before,
                                const std::string& fingerprint,
                                const std::vector<secrets::SecretRecord>& present);
  absl::StatusOr<Look> LookAndPlan(const secrets::SecretRecord& desired,
                                   const secrets::SecretBytes& value, bool adopt)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<secrets::ValueState> Compare(const secrets::SecretRecord& desired,
                                              const secrets::SecretBytes& value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Carries the plan out and proves that it came true.
  absl::Status Run(const secrets::SecretRecord& desired, const secrets::SecretBytes& value,
                   const std::vector<secrets::SecretStep>& steps)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RunStep(const secrets::SecretStep& step, const secrets::SecretBytes& value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes down that libvirt holds `key` as `binding` says.
  absl::Status Settle(state::SecretBinding binding, const secrets::CephKey& key,
                      const std::string& fingerprint);
  absl::Status Keep(const state::SecretBinding& binding) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Follows the claim that stands; a claim that was lost is made again.
  absl::Status FollowClaim(state::SecretBinding& binding) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const KeeperParts parts_;
  const secrets::Sealer sealer_;
  DomainSecrets domains_;

  Mutex mutex_;  // one change at a time
  // Private secrets that hold, as far as this process knows, what it set.
  std::set<Uuid> trusted_ ABSL_GUARDED_BY(mutex_);

  mutable Mutex facts_mutex_;
  secrets::SecretBytes salt_ ABSL_GUARDED_BY(facts_mutex_);
  std::map<std::string, absl::Status> problems_ ABSL_GUARDED_BY(facts_mutex_);  // by entity
  std::map<Uuid, absl::Duration> written_ ABSL_GUARDED_BY(facts_mutex_);        // when, monotonic
  int64_t repairs_ ABSL_GUARDED_BY(facts_mutex_) = 0;
};

}  // namespace hvagent::keeper

#endif  // HVAGENT_AGENT_KEEPER_SECRET_KEEPER_H_
