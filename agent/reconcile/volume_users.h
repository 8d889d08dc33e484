// Which VMs of this node have a volume, and what its changes mean to their guests.
#ifndef HVAGENT_AGENT_RECONCILE_VOLUME_USERS_H_
#define HVAGENT_AGENT_RECONCILE_VOLUME_USERS_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/state/state_store.h"
#include "base/bytes.h"
#include "base/uuid.h"

namespace hvagent::reconcile {

// Thread-safe; blocks on the state and on libvirt.
class VolumeUsers {
 public:
  // Both outlive this object.
  VolumeUsers(state::StateStore& state, hypervisor::Hypervisor& hypervisor)
      : state_(state), hypervisor_(hypervisor) {}

  // OK unless a VM of this node has the volume, whether it runs or not.
  // Errors: FAILED_PRECONDITION (VOLUME_OF_VM, naming the VMs).
  absl::Status CheckNone(const Uuid& volume);

  // Tells the guests of this node that run with the volume what size it has now.
  absl::Status TellSize(const Uuid& volume, const block::ImageName& image, Bytes size);

 private:
  absl::StatusOr<std::vector<state::VmRecord>> Find(const Uuid& volume);

  state::StateStore& state_;
  hypervisor::Hypervisor& hypervisor_;
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_VOLUME_USERS_H_
