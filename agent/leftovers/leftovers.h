// What agents made in the pools for something that this node does not know: its VM, its operation
// or its call may be another node's, or gone; and which clients have open what agents made.
#ifndef HVAGENT_AGENT_LEFTOVERS_LEFTOVERS_H_
#define HVAGENT_AGENT_LEFTOVERS_LEFTOVERS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/backup/backup_catalog.h"
#include "agent/backup/backup_names.h"
#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/leftovers/backup_leftovers.h"
#include "agent/state/state_store.h"
#include "hvagent/v1/storage_service.pb.h"

namespace hvagent::leftovers {

// Thread-safe; blocks on Ceph, libvirt and the node's state.
class Leftovers {
 public:
  struct Parts {
    block::BlockStore& block;
    backup::BackupCatalog& backups;
    state::StateStore& state;
    hypervisor::Hypervisor& hypervisor;
    std::string images_pool;
    backup::Pools pools;
  };

  // What `parts` refers to outlives this object.
  explicit Leftovers(Parts parts);

  // As StorageService.ListLeftovers, which looks at `limit` images. Each is opened.
  // Errors: INVALID_ARGUMENT (page_token).
  absl::StatusOr<v1::ListLeftoversResponse> List(absl::string_view page_token, size_t limit);

  // As StorageService.FindOwners, without the node's name.
  absl::StatusOr<v1::FindOwnersResponse> FindOwners(const v1::FindOwnersRequest& request);

  // As StorageService.RemoveLeftover.
  absl::Status Remove(const v1::RemoveLeftoverRequest& request);

 private:
  using Found = std::vector<v1::Leftover>;
  using Guests = std::map<std::string, uint32_t>;

  // What is left on one image and of it, or else that it is open.
  absl::StatusOr<Found> Look(const block::ImageName& name, const Guests& guests);
  // The image itself, if it is one that this node does not know.
  absl::StatusOr<std::optional<v1::Leftover>> LookAtImage(const block::ImageName& name,
                                                          const block::ImageInfo& info);
  absl::StatusOr<Found> LookAtSnapshots(const block::ImageName& name, const block::ImageInfo& info);
  // OPEN_IMAGE, if more have it open than this agent and the guests of this node.
  absl::StatusOr<std::optional<v1::Leftover>> LookAtWatchers(const block::ImageName& name,
                                                             const block::ImageInfo& info,
                                                             const Guests& guests);
  // Of the pool with that number in trashes_.
  absl::StatusOr<v1::ListLeftoversResponse> ListTrash(size_t trash_number, const std::string& after,
                                                      size_t limit);
  // Whether an agent made the image, and which node, where it says so.
  struct Making {
    bool by_agent = false;
    std::string node;
  };
  Making MakingOf(const block::ImageName& name, const block::ImageInfo& info) const;

  absl::StatusOr<bool> Knows(const std::string& owner);
  absl::Status RemoveFromTrash(const v1::RemoveLeftoverRequest& request);
  absl::Status RemoveImage(const block::ImageName& name, v1::Leftover::Kind kind);

  Parts parts_;
  BackupLeftovers backups_;
  // In an order in which each can be removed before what comes after it needs to be.
  std::vector<std::string> pools_;
  // Those of whose images agents put some into the trash.
  std::vector<std::string> trashes_;
};

}  // namespace hvagent::leftovers

#endif  // HVAGENT_AGENT_LEFTOVERS_LEFTOVERS_H_
