#include "agent/leftovers/leftovers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "agent/block/trash_mark.h"
#include "agent/leftovers/guest_images.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/operation_tag.h"
#include "agent/operations/vm_snapshot.h"
#include "agent/operations/volume_catalog.h"
#include "agent/operations/volume_create.h"
#include "agent/operations/volume_names.h"
#include "agent/reconcile/vm_disks.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::leftovers {
namespace {

using operations::OperationTag;

// As domain_xml/vm_spec.h names a VM's disks.
constexpr char kRootDisk[] = "_disk";
constexpr char kConfigDrive[] = "_disk.config";

google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

v1::Leftover LeftoverOf(v1::Leftover::Kind kind, const block::ImageName& name,
                        const block::ImageInfo& info) {
  v1::Leftover leftover;
  leftover.set_kind(kind);
  leftover.set_pool(name.pool);
  leftover.set_name(name.name);
  leftover.set_size_bytes(info.size.count());
  *leftover.mutable_create_time() = ToProto(info.create_time);
  return leftover;
}

void SetMaker(const OperationTag& tag, v1::Leftover& leftover) {
  leftover.set_owner(tag.operation);
  leftover.set_node(tag.node);
}

// The VM whose root disk or config drive has this name.
std::optional<std::string> VmOfDisk(absl::string_view name) {
  if (!absl::ConsumeSuffix(&name, kConfigDrive) && !absl::ConsumeSuffix(&name, kRootDisk)) {
    return std::nullopt;
  }
  if (!Uuid::Parse(name).ok()) return std::nullopt;
  return std::string(name);
}

std::optional<OperationTag> TagAfter(absl::string_view prefix, absl::string_view name) {
  if (!absl::ConsumePrefix(&name, prefix)) return std::nullopt;
  return operations::ParseOperationTag(name);
}

absl::Status NotALeftover(const v1::RemoveLeftoverRequest& request) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER",
               absl::StrCat(request.pool(), "/", request.name(),
                            request.snapshot().empty() ? "" : "@", request.snapshot(),
                            " was not made by an agent, or this node knows whose it is"));
}

}  // namespace

Leftovers::Leftovers(Parts parts)
    : parts_(std::move(parts)), backups_(parts_.block, parts_.backups) {
  for (const std::string& pool :
       {parts_.images_pool, parts_.pools.vms, parts_.pools.volumes, parts_.pools.backups}) {
    if (std::find(pools_.begin(), pools_.end(), pool) == pools_.end()) pools_.push_back(pool);
  }
  trashes_.push_back(parts_.images_pool);
  if (parts_.pools.vms != parts_.images_pool) trashes_.push_back(parts_.pools.vms);
}

absl::StatusOr<bool> Leftovers::Knows(const std::string& owner) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(owner));
  ASSIGN_OR_RETURN(const auto vm, parts_.state.GetVm(uuid));
  if (vm.has_value()) return true;
  ASSIGN_OR_RETURN(const auto operation, parts_.state.GetOperation(owner));
  return operation.has_value() && operation->state() == v1::Operation::RUNNING;
}

Leftovers::Making Leftovers::MakingOf(const block::ImageName& name,
                                      const block::ImageInfo& info) const {
  // Clones have their parents' keys, too: a mark counts where it is of the image that bears it.
  if (const auto vm = VmOfDisk(name.name); name.pool == parts_.pools.vms && vm.has_value()) {
    const auto mark = reconcile::MarkOf(info);
    if (mark.has_value() && mark->vm == *vm) return {.by_agent = true, .node = mark->node};
  }
  if (name.pool == parts_.pools.volumes) {
    const auto id = operations::VolumeIdOf(name.name);
    if (id.has_value() && operations::IsMarked(*id, info)) return {.by_agent = true, .node = ""};
  }
  if (name.pool == parts_.images_pool && !info.parent.has_value()) {
    return {.by_agent = info.metadata.contains(operations::kSha256Key) ||
                        info.metadata.contains(operations::kOperationKey),
            .node = ""};
  }
  return {};
}

absl::StatusOr<std::optional<v1::Leftover>> Leftovers::LookAtImage(const block::ImageName& name,
                                                                   const block::ImageInfo& info) {
  std::optional<v1::Leftover> leftover;
  const auto staged = [&](v1::Leftover::Kind kind, const std::string& pool, const char* prefix) {
    if (leftover.has_value() || name.pool != pool) return;
    const auto tag = TagAfter(prefix, name.name);
    if (!tag.has_value()) return;
    leftover = LeftoverOf(kind, name, info);
    SetMaker(*tag, *leftover);
  };
  staged(v1::Leftover::STAGED_IMAGE, parts_.images_pool, operations::kStagedPrefix);
  staged(v1::Leftover::STAGED_VOLUME, parts_.pools.volumes, operations::kStagedRestorePrefix);
  if (name.pool == parts_.pools.volumes &&
      absl::StartsWith(name.name, operations::kStagedVolumePrefix)) {
    leftover = LeftoverOf(v1::Leftover::STAGED_VOLUME, name, info);
  }
  // Disks of VMs have the names that nova gives them, too: only the mark says who made one.
  if (const auto vm = VmOfDisk(name.name); name.pool == parts_.pools.vms && vm.has_value()) {
    const Making making = MakingOf(name, info);
    if (making.by_agent) {
      leftover = LeftoverOf(v1::Leftover::VM_DISK, name, info);
      SetMaker({*vm, making.node}, *leftover);
    }
    const auto kept = reconcile::KeptMarkOf(info);
    if (!making.by_agent && kept.has_value() && kept->vm == *vm) {
      leftover = LeftoverOf(v1::Leftover::KEPT_DISK, name, info);
      SetMaker({*vm, kept->node}, *leftover);
    }
  }
  if (!leftover.has_value() && name.pool == parts_.pools.backups) {
    ASSIGN_OR_RETURN(const auto tag, backups_.MakerOf(name, info));
    if (tag.has_value()) {
      leftover = LeftoverOf(v1::Leftover::STAGED_BACKUP, name, info);
      SetMaker(*tag, *leftover);
    }
  }
  if (!leftover.has_value()) return std::nullopt;
  if (!leftover->owner().empty()) {
    ASSIGN_OR_RETURN(const bool knows, Knows(leftover->owner()));
    if (knows) return std::nullopt;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> watchers, parts_.block.ListWatchers(name));
  for (const std::string& watcher : watchers) leftover->add_watchers(watcher);
  return leftover;
}

absl::StatusOr<Leftovers::Found> Leftovers::LookAtSnapshots(const block::ImageName& name,
                                                            const block::ImageInfo& info) {
  Found found;
  if (name.pool != parts_.pools.vms && name.pool != parts_.pools.volumes) return found;
  for (const block::SnapshotInfo& snapshot : info.snapshots) {
    v1::Leftover leftover = LeftoverOf(v1::Leftover::SNAPSHOT, name, info);
    leftover.set_snapshot(snapshot.name);
    leftover.set_size_bytes(snapshot.size.count());
    *leftover.mutable_create_time() = ToProto(snapshot.create_time);
    if (operations::IsCloneSnapshot(snapshot.name)) {
      ASSIGN_OR_RETURN(const std::vector<block::Child> clones,
                       parts_.block.ListChildren({name, snapshot.name}));
      if (!clones.empty()) continue;
      leftover.set_maybe_foreign(!MakingOf(name, info).by_agent);
      found.push_back(std::move(leftover));
      continue;
    }
    std::optional<OperationTag> tag = TagAfter(operations::kVmSnapshotPrefix, snapshot.name);
    if (!tag.has_value()) {
      ASSIGN_OR_RETURN(tag, backups_.MakerOf(block::SnapshotName{name, snapshot.name}));
    }
    if (!tag.has_value()) continue;
    ASSIGN_OR_RETURN(const bool knows, Knows(tag->operation));
    if (knows) continue;
    SetMaker(*tag, leftover);
    found.push_back(std::move(leftover));
  }
  return found;
}

absl::StatusOr<std::optional<v1::Leftover>> Leftovers::LookAtWatchers(const block::ImageName& name,
                                                                      const block::ImageInfo& info,
                                                                      const Guests& guests) {
  const Making making = MakingOf(name, info);
  if (!making.by_agent) return std::nullopt;
  ASSIGN_OR_RETURN(const std::vector<std::string> watchers, parts_.block.ListWatchers(name));
  v1::Leftover leftover = LeftoverOf(v1::Leftover::OPEN_IMAGE, name, info);
  leftover.set_node(making.node);
  for (const std::string& watcher : watchers) {
    if (!parts_.block.IsOwnWatcher(watcher)) leftover.add_watchers(watcher);
  }
  const auto here = guests.find(name.ToString());
  const size_t expected = here == guests.end() ? 0 : here->second;
  if (static_cast<size_t>(leftover.watchers_size()) <= expected) return std::nullopt;
  return leftover;
}

absl::StatusOr<Leftovers::Found> Leftovers::Look(const block::ImageName& name,
                                                 const Guests& guests) {
  ASSIGN_OR_RETURN(const block::ImageInfo info, parts_.block.GetImage(name));
  // An image is removed after its snapshots.
  ASSIGN_OR_RETURN(Found found, LookAtSnapshots(name, info));
  ASSIGN_OR_RETURN(std::optional<v1::Leftover> image, LookAtImage(name, info));
  if (!image.has_value()) {
    ASSIGN_OR_RETURN(image, LookAtWatchers(name, info, guests));
  }
  if (image.has_value()) found.push_back(*std::move(image));
  return found;
}

// A page is of one pool, by its number in pools_; the trash of some comes after them.
absl::StatusOr<v1::ListLeftoversResponse> Leftovers::List(absl::string_view page_token,
                                                          size_t limit) {
  size_t pool = 0;
  std::string after;
  if (!page_token.empty()) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(page_token, absl::MaxSplits('/', 1));
    if (!absl::SimpleAtoi(parts.first, &pool) || pool >= pools_.size() + trashes_.size()) {
      return InvalidField("page_token", "is not one that List returned");
    }
    after = std::string(parts.second);
  }
  if (pool >= pools_.size()) return ListTrash(pool - pools_.size(), after, limit);
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   parts_.block.ListImages(pools_[pool], after, limit));
  ASSIGN_OR_RETURN(const Guests guests, GuestImages(parts_.hypervisor));
  v1::ListLeftoversResponse page;
  for (const std::string& image : names) {
    const absl::StatusOr<Found> found = Look({pools_[pool], "", image}, guests);
    // It, or a snapshot of it, was removed since it was listed.
    if (absl::IsNotFound(found.status())) continue;
    RETURN_IF_ERROR(found.status());
    page.mutable_leftovers()->Add(found->begin(), found->end());
  }
  page.set_next_page_token(names.size() == limit ? absl::StrCat(pool, "/", names.back())
                                                 : absl::StrCat(pool + 1, "/"));
  return page;
}

absl::StatusOr<v1::ListLeftoversResponse> Leftovers::ListTrash(size_t trash_number,
                                                               const std::string& after,
                                                               size_t limit) {
  const std::string& pool = trashes_[trash_number];
  ASSIGN_OR_RETURN(const std::vector<block::TrashedImage> trash,
                   parts_.block.ListTrash(pool, after, limit));
  v1::ListLeftoversResponse page;
  for (const block::TrashedImage& trashed : trash) {
    const auto info = parts_.block.GetTrashedImage(pool, trashed.id);
    if (absl::IsNotFound(info.status())) continue;  // Removed since it was listed.
    RETURN_IF_ERROR(info.status());
    if (!block::IsTrashedByAgent(trashed, *info)) continue;
    v1::Leftover leftover =
        LeftoverOf(v1::Leftover::TRASHED_IMAGE, {pool, "", trashed.name}, *info);
    leftover.set_trash_id(trashed.id);
    *leftover.mutable_kept_until() = ToProto(trashed.kept_until);
    leftover.set_has_clones(info->has_trashed_snapshots);
    *page.add_leftovers() = std::move(leftover);
  }
  const size_t number = pools_.size() + trash_number;
  if (trash.size() == limit) {
    page.set_next_page_token(absl::StrCat(number, "/", trash.back().id));
  } else if (trash_number + 1 < trashes_.size()) {
    page.set_next_page_token(absl::StrCat(number + 1, "/"));
  }
  return page;
}

absl::StatusOr<v1::FindOwnersResponse> Leftovers::FindOwners(const v1::FindOwnersRequest& request) {
  v1::FindOwnersResponse response;
  for (const std::string& owner : request.owners()) {
    ASSIGN_OR_RETURN(const bool knows, Knows(owner));
    if (knows) response.add_known(owner);
  }
  for (const std::string& watcher : request.watchers()) {
    if (parts_.block.IsOwnWatcher(watcher)) response.add_own_watchers(watcher);
  }
  ASSIGN_OR_RETURN(const Guests guests, GuestImages(parts_.hypervisor));
  for (const v1::ImageName& image : request.images()) {
    const auto found = guests.find(absl::StrCat(image.pool(), "/", image.name()));
    response.add_guests(found == guests.end() ? 0 : found->second);
  }
  return response;
}

absl::Status Leftovers::Remove(const v1::RemoveLeftoverRequest& request) {
  if (!request.trash_id().empty()) return RemoveFromTrash(request);
  const block::ImageName name{request.pool(), "", request.name()};
  ASSIGN_OR_RETURN(const Found found, Look(name, /*guests=*/{}));
  const auto leftover = std::find_if(found.begin(), found.end(), [&](const v1::Leftover& one) {
    return one.snapshot() == request.snapshot() && one.kind() != v1::Leftover::OPEN_IMAGE &&
           one.kind() != v1::Leftover::KEPT_DISK && !one.maybe_foreign();
  });
  if (leftover == found.end()) return NotALeftover(request);
  if (!request.snapshot().empty()) {
    return parts_.block.RemoveSnapshot({name, request.snapshot()});
  }
  return RemoveImage(name, leftover->kind());
}

absl::Status Leftovers::RemoveImage(const block::ImageName& name, v1::Leftover::Kind kind) {
  block::BlockStore& block = parts_.block;
  if (kind == v1::Leftover::STAGED_BACKUP) return backups_.RemoveBase(name);
  if (kind == v1::Leftover::STAGED_IMAGE) {
    RETURN_IF_ERROR(block.RemoveSnapshot({name, operations::kGoldenSnapshot}));
  }
  ASSIGN_OR_RETURN(const block::ImageInfo info, block.GetImage(name));
  RETURN_IF_ERROR(block.RemoveImage(name));
  // What a volume that never came to be was to be cloned from goes with it.
  if (!info.parent.has_value() || !operations::IsCloneSnapshot(info.parent->snapshot)) {
    return absl::OkStatus();
  }
  const absl::Status released = block.RemoveSnapshot(*info.parent);
  return absl::IsNotFound(released) ? absl::OkStatus() : released;
}

absl::Status Leftovers::RemoveFromTrash(const v1::RemoveLeftoverRequest& request) {
  const std::string& pool = request.pool();
  if (std::find(trashes_.begin(), trashes_.end(), pool) == trashes_.end()) {
    return NotALeftover(request);
  }
  ASSIGN_OR_RETURN(const block::ImageInfo info,
                   parts_.block.GetTrashedImage(pool, request.trash_id()));
  const bool by_agent = block::IsTrashedByAgent(
      {.id = request.trash_id(), .name = request.name(), .trashed_at = {}, .kept_until = {}}, info);
  if (!by_agent) return NotALeftover(request);
  return parts_.block.RemoveFromTrash(pool, request.trash_id());
}

}  // namespace hvagent::leftovers
