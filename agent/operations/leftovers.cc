#include "agent/operations/leftovers.h"

#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/volume_create.h"
#include "agent/reconcile/vm_disks.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::operations {
namespace {

// As domain_xml/vm_spec.h names a VM's disks.
constexpr char kRootDisk[] = "_disk";
constexpr char kConfigDrive[] = "_disk.config";

}  // namespace

std::optional<v1::Leftover> Leftovers::FromName(const block::ImageName& name) const {
  v1::Leftover leftover;
  leftover.set_pool(name.pool);
  leftover.set_name(name.name);
  absl::string_view rest = name.name;
  if (name.pool == pools_.vms &&
      (absl::ConsumeSuffix(&rest, kConfigDrive) || absl::ConsumeSuffix(&rest, kRootDisk))) {
    leftover.set_kind(v1::Leftover::VM_DISK);
  } else if (name.pool == pools_.images && absl::ConsumePrefix(&rest, kStagedPrefix)) {
    leftover.set_kind(v1::Leftover::STAGED_IMAGE);
  } else if (name.pool == pools_.volumes && absl::ConsumePrefix(&rest, kStagedRestorePrefix)) {
    leftover.set_kind(v1::Leftover::STAGED_VOLUME);
  } else if (name.pool == pools_.volumes && absl::StartsWith(rest, kStagedVolumePrefix)) {
    leftover.set_kind(v1::Leftover::STAGED_VOLUME);
    return leftover;
  } else {
    return std::nullopt;
  }
  if (!Uuid::Parse(rest).ok()) return std::nullopt;
  leftover.set_owner(std::string(rest));
  return leftover;
}

absl::StatusOr<bool> Leftovers::Knows(const std::string& owner) {
  ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(owner));
  ASSIGN_OR_RETURN(const auto vm, state_.GetVm(uuid));
  if (vm.has_value()) return true;
  ASSIGN_OR_RETURN(const auto operation, state_.GetOperation(owner));
  return operation.has_value() && operation->state() == v1::Operation::RUNNING;
}

absl::StatusOr<std::vector<std::string>> Leftovers::KnownOf(
    const std::vector<std::string>& owners) {
  std::vector<std::string> known;
  for (const std::string& owner : owners) {
    ASSIGN_OR_RETURN(const bool knows, Knows(owner));
    if (knows) known.push_back(owner);
  }
  return known;
}

absl::StatusOr<std::optional<v1::Leftover>> Leftovers::Look(const block::ImageName& name) {
  std::optional<v1::Leftover> leftover = FromName(name);
  if (!leftover.has_value()) return std::nullopt;
  if (!leftover->owner().empty()) {
    ASSIGN_OR_RETURN(const bool knows, Knows(leftover->owner()));
    if (knows) return std::nullopt;
  }
  ASSIGN_OR_RETURN(const block::ImageInfo info, block_.GetImage(name));
  // Disks of VMs have the names that nova gives them, too: only the mark says who made one.
  if (leftover->kind() == v1::Leftover::VM_DISK) {
    const auto mark = reconcile::MarkOf(info);
    if (!mark.has_value() || mark->vm != leftover->owner()) return std::nullopt;
    leftover->set_node(mark->node);
  }
  leftover->set_size_bytes(info.size.count());
  *leftover->mutable_create_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(info.create_time));
  ASSIGN_OR_RETURN(const std::vector<std::string> watchers, block_.ListWatchers(name));
  for (const std::string& watcher : watchers) leftover->add_watchers(watcher);
  return leftover;
}

absl::StatusOr<v1::ListLeftoversResponse> Leftovers::List(absl::string_view page_token,
                                                          size_t limit) {
  const std::string pools[] = {pools_.images, pools_.vms, pools_.volumes};
  size_t pool = 0;
  std::string after;
  if (!page_token.empty()) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(page_token, absl::MaxSplits('/', 1));
    while (pool < std::size(pools) && pools[pool] != parts.first) ++pool;
    if (pool == std::size(pools))
      return InvalidField("page_token", "is not one that List returned");
    after = std::string(parts.second);
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   block_.ListImages(pools[pool], after, limit));
  v1::ListLeftoversResponse page;
  for (const std::string& name : names) {
    const auto leftover = Look({pools[pool], "", name});
    if (absl::IsNotFound(leftover.status())) continue;  // Removed since it was listed.
    RETURN_IF_ERROR(leftover.status());
    if (leftover->has_value()) *page.add_leftovers() = **leftover;
  }
  if (names.size() == limit) {
    page.set_next_page_token(absl::StrCat(pools[pool], "/", names.back()));
  } else if (pool + 1 < std::size(pools)) {
    page.set_next_page_token(absl::StrCat(pools[pool + 1], "/"));
  }
  return page;
}

absl::Status Leftovers::Remove(const block::ImageName& name) {
  ASSIGN_OR_RETURN(const std::optional<v1::Leftover> leftover, Look(name));
  if (!leftover.has_value()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER",
                 absl::StrCat("image ", name.ToString(),
                              " was not made by an agent, or this node knows whose it is"));
  }
  if (leftover->kind() == v1::Leftover::STAGED_IMAGE) {
    RETURN_IF_ERROR(block_.RemoveSnapshot({name, kGoldenSnapshot}));
  }
  return block_.RemoveImage(name);
}

}  // namespace hvagent::operations
