// The specs of this node's VMs, byte for byte as they were pushed: what says the same again about a
// VM that has not changed since needs neither to be checked nor to be compared.
//
// Not thread-safe. In memory only, and bounded: what is not known is looked at.
#ifndef HVAGENT_AGENT_RECONCILE_KNOWN_SPECS_H_
#define HVAGENT_AGENT_RECONCILE_KNOWN_SPECS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/state/state_store.h"
#include "base/uuid.h"
#include "hvagent/v1/push.pb.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::reconcile {

class KnownSpecs {
 public:
  // The bytes to remember `spec` by.
  static std::string BytesOf(const v1::VmSpec& spec);

  // The VM among `heads` (ordered by UUID) whose record says what `spec` does; null: not known.
  const state::VmHead* Find(const v1::VmSpec& spec, const std::vector<state::VmHead>& heads);

  // How many there can be: far more than a node has VMs. PARTIAL pushes name VMs that come and go.
  static constexpr size_t kMost = 16384;

  // The VM's record, at this generation, says what the spec of these bytes did. `uuid` is as that
  // spec has it. Where there are kMost, the others are forgotten.
  void Remember(const Uuid& uuid, std::string bytes, int64_t generation, absl::Time create_time);

  // Forgets those that this push of a node's whole state leaves out.
  void ForgetOthers(const v1::PushStateRequest& push);

 private:
  struct Known {
    std::string bytes;
    // Of the record. A VM that was deleted and made again begins with generation 1 again.
    int64_t generation = 0;
    absl::Time create_time;
  };

  absl::flat_hash_map<Uuid, Known> known_;
  std::string bytes_;  // kept, so that Find allocates nothing
};

// In `heads`, ordered by UUID; null: it is not there.
const state::VmHead* FindHead(const std::vector<state::VmHead>& heads, const Uuid& uuid);

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_KNOWN_SPECS_H_
