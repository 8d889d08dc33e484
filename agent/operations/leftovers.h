// What agents made in the pools for something that this node does not know: its VM, its operation
// or its call may be another node's, or gone. Thread-safe; blocks on Ceph and the node's state.
#ifndef HVAGENT_AGENT_OPERATIONS_LEFTOVERS_H_
#define HVAGENT_AGENT_OPERATIONS_LEFTOVERS_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "agent/state/state_store.h"
#include "hvagent/v1/storage_service.pb.h"

namespace hvagent::operations {

class Leftovers {
 public:
  struct Pools {
    std::string images;
    std::string vms;
    std::string volumes;
  };

  // Both outlive this object.
  Leftovers(block::BlockStore& block, state::StateStore& state, Pools pools)
      : block_(block), state_(state), pools_(std::move(pools)) {}

  // As StorageService.ListLeftovers, which looks at `limit` images. Only what has the name of a
  // leftover is opened. Errors: INVALID_ARGUMENT (page_token).
  absl::StatusOr<v1::ListLeftoversResponse> List(absl::string_view page_token, size_t limit);

  // Those of `owners` that are VMs or operations of this node.
  absl::StatusOr<std::vector<std::string>> KnownOf(const std::vector<std::string>& owners);

  // As StorageService.RemoveLeftover.
  absl::Status Remove(const block::ImageName& name);

 private:
  // What its name says that the image is; nullopt when it is none of an agent's leftovers.
  std::optional<v1::Leftover> FromName(const block::ImageName& name) const;
  // The leftover, when it is one and this node does not know its owner.
  absl::StatusOr<std::optional<v1::Leftover>> Look(const block::ImageName& name);
  absl::StatusOr<bool> Knows(const std::string& owner);

  block::BlockStore& block_;
  state::StateStore& state_;
  const Pools pools_;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_LEFTOVERS_H_
