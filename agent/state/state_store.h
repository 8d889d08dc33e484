// This node's durable state, in one SQLite database: what VMs shall be here, the operations and
// how far they are, and the request ids that were answered.
//
// Durable when a call returns (synchronous=FULL): acknowledged means durable. Thread-safe; calls
// block on the disk: a write waits for one sync of it, a few milliseconds.
// Errors of every call: UNAVAILABLE (STATE_UNWRITABLE: disk full, EIO; nothing was changed and the
// old state is intact), DATA_LOSS (STATE_CORRUPT: what is stored cannot be read; never taken for
// absent).
#ifndef HVAGENT_AGENT_STATE_STATE_STORE_H_
#define HVAGENT_AGENT_STATE_STATE_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/uuid.h"
#include "hvagent/v1/operation.pb.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::state {

// What becomes of a VM's disks when it is deleted.
enum class Disposal {
  kTrash,
  kKeep,
  kRemove,
};

// What one VM shall be.
struct VmRecord {
  Uuid uuid;  // of spec
  v1::VmSpec spec;
  int64_t generation = 0;   // grows with each change of the spec
  bool force_stop = false;  // to stop it, cut the power instead of asking the guest
  bool restart = false;     // with RUNNING: it is stopped first, whatever ran until then
  bool deleting = false;
  Disposal disposal = Disposal::kTrash;
  // It was deleted, and shall be as before: its disks come from the trash, and are not made anew.
  bool undeleting = false;
  // With RUNNING or PAUSED: its guest has stopped by itself, and by its restart policy it is left
  // off until somebody starts it.
  bool stays_off = false;
  // Whether the node's controller has named it in a push. One that it has not (an operator made it,
  // or it came from another node) is not the controller's to delete by leaving it out.
  bool claimed = false;
  absl::Time create_time;
};

// Enough of a VM's record to know whether it is still the one that somebody saw.
struct VmHead {
  Uuid uuid;
  int64_t generation = 0;
  absl::Time create_time;
  bool deleting = false;
  bool claimed = false;
};

// A VM as it shall be from now on, decided by somebody who saw it at `seen_generation`; 0: who saw
// none. At the same generation only `claimed` changes.
struct VmChange {
  VmRecord vm;
  int64_t seen_generation = 0;
  // What the spec was until now, where more than its power state is another one: a guest that runs
  // may have it still.
  std::optional<v1::VmSpec> replaces;
};

// A VM that is gone, and can be had back while its disks are in the trash.
struct DeletedVm {
  VmRecord vm;
  absl::Time delete_time;
  absl::Time kept_until;
};

// The last push of a controller: (term, generation) grows with each.
struct PushRecord {
  std::string controller;  // empty: none has pushed yet
  int64_t term = 0;
  int64_t generation = 0;
  std::string digest;  // of what was pushed
};

// The secret that this node keeps for an entity.
struct SecretBinding {
  std::string entity;
  Uuid uuid;
  std::string usage;
  // As libvirt's record shall be made.
  bool ephemeral = false;
  bool is_private = false;
  // A replacement that an operator allowed is under way: what stands in its way may go.
  bool replacing = false;
  // Of the key that was proved last (secrets/fingerprint.h), and when Ceph made it. Empty and 0
  // when this node was never given the key.
  std::string fingerprint;
  int64_t generation_unix_s = 0;
  // The key, to set it again without asking anybody (secrets/sealer.h; its context is the entity).
  // Empty: not known.
  std::string sealed_key;
  // When a connection with it was last made from this node. InfinitePast: never.
  absl::Time prove_time = absl::InfinitePast();
  // The entity that guests start as instead of this one; empty: none.
  std::string superseded_by;

  friend bool operator==(const SecretBinding&, const SecretBinding&) = default;
};

// What a request id was used for: the same again has no second effect, another body is refused.
struct RequestRecord {
  std::string method;
  std::string body_digest;  // of the request without its id
};

// What becomes true at once.
struct Changes {
  std::vector<VmChange> vms;
  std::optional<PushRecord> push;
  std::string request_id;  // empty: not remembered
  RequestRecord request;
  absl::Time now;  // of the request
};

class StateStore {
 public:
  // Opens or makes `directory`/state.db (mode 0600, directory 0700, whose parent must exist).
  // Checks its integrity. Holds a lock on the directory while it lives. ":memory:" keeps the state
  // in memory.
  // Errors: DATA_LOSS (STATE_CORRUPT: the file is damaged, cut, empty or none of ours; it is left
  // as it is, never taken for empty), FAILED_PRECONDITION (STATE_SCHEMA: written by a newer agent;
  // STATE_IN_USE: another agent has it open), UNAVAILABLE (STATE_UNWRITABLE).
  static absl::StatusOr<std::unique_ptr<StateStore>> Open(const std::string& directory);
  ~StateStore();

  StateStore(const StateStore&) = delete;
  StateStore& operator=(const StateStore&) = delete;

  // --- VMs ---
  // Inserts or replaces by UUID. Errors: ALREADY_EXISTS (VM_NAME_TAKEN) when another VM has the
  // name.
  absl::Status PutVm(const VmRecord& record);
  absl::StatusOr<std::optional<VmRecord>> GetVm(const Uuid& uuid);
  absl::StatusOr<std::optional<VmRecord>> GetVmByName(absl::string_view name);
  // At most `limit` VMs whose UUID sorts after `after` (nil: from the start), in order.
  absl::StatusOr<std::vector<VmRecord>> ListVms(const Uuid& after, size_t limit);
  absl::StatusOr<std::vector<Uuid>> ListVmUuids();
  absl::StatusOr<std::optional<VmHead>> GetVmHead(const Uuid& uuid);
  // Of all VMs, ordered by UUID.
  absl::StatusOr<std::vector<VmHead>> ListVmHeads();
  // The stop of a restart is done, unless the VM has changed since `generation`. Idempotent.
  absl::Status EndRestart(const Uuid& uuid, int64_t generation);
  // The guest stopped by itself and is to be left off, unless the VM has changed since
  // `generation`. Idempotent.
  absl::Status LeaveOff(const Uuid& uuid, int64_t generation);
  // Idempotent.
  absl::Status RemoveVm(const Uuid& uuid);
  // The spec that the VM had at `generation`, where it had another one than now (but for its power
  // state). Of a VM that changed more than 100 times since, the oldest of those.
  absl::StatusOr<std::optional<v1::VmSpec>> GetFormerSpec(const Uuid& uuid, int64_t generation);
  // Changes VMs, all or none, and remembers with them what asked for it.
  // Errors: ABORTED (VM_CHANGED) when a VM is not at the generation that its change saw,
  // ALREADY_EXISTS (VM_NAME_TAKEN; REQUEST_ID_USED: the id is there).
  absl::Status Commit(const Changes& changes);

  // --- Deleted VMs ---
  // Removes the VM, and remembers what it was; one that is not there is no error. Inserting a VM of
  // that UUID forgets it.
  absl::Status MoveToDeleted(const Uuid& uuid, absl::Time delete_time, absl::Time kept_until);
  absl::StatusOr<std::optional<DeletedVm>> GetDeletedVm(const Uuid& uuid);
  // Of several, the one that was deleted last.
  absl::StatusOr<std::optional<DeletedVm>> GetDeletedVmByName(absl::string_view name);
  // At most `limit` whose UUID sorts after `after` (nil: from the start), in order.
  absl::StatusOr<std::vector<DeletedVm>> ListDeletedVms(const Uuid& after, size_t limit);
  // Forgets those that were kept until before `cutoff`.
  absl::Status PruneDeletedVms(absl::Time cutoff);

  // --- Pushes ---
  absl::StatusOr<PushRecord> GetLastPush();

  // --- Secrets ---
  // Inserts or replaces by entity.
  absl::Status PutSecret(const SecretBinding& binding);
  absl::StatusOr<std::optional<SecretBinding>> GetSecret(absl::string_view entity);
  absl::StatusOr<std::vector<SecretBinding>> ListSecrets();
  // Idempotent.
  absl::Status RemoveSecret(absl::string_view entity);

  // --- Operations ---
  // Inserts or replaces by id.
  absl::Status PutOperation(const v1::Operation& operation);
  absl::StatusOr<std::optional<v1::Operation>> GetOperation(absl::string_view id);
  // Newest first by (create_time, id), at most `limit`, those older than the operation `before`
  // (empty: from the newest; none when it is not there any more).
  absl::StatusOr<std::vector<v1::Operation>> ListOperations(absl::string_view before, size_t limit);
  // Those in state RUNNING: after a restart, those that were cut off.
  absl::StatusOr<std::vector<v1::Operation>> ListRunningOperations();
  // Removes ended operations last updated before `cutoff`.
  absl::Status PruneOperations(absl::Time cutoff);

  // --- Request ids ---
  absl::StatusOr<std::optional<RequestRecord>> GetRequest(absl::string_view request_id);
  // Errors: ALREADY_EXISTS (REQUEST_ID_USED) when the id is there.
  absl::Status PutRequest(absl::string_view request_id, const RequestRecord& record,
                          absl::Time now);
  absl::Status PruneRequests(absl::Time cutoff);

 private:
  class Impl;
  explicit StateStore(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace hvagent::state

#endif  // HVAGENT_AGENT_STATE_STATE_STORE_H_
