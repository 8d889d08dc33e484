#include "agent/reconcile/vm_feed.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::reconcile {

VmFeed::VmFeed(size_t max_removed)
    : instance_(Uuid::Random().ToString()), max_removed_(max_removed) {}

void VmFeed::Note(const Uuid& uuid, bool removed) {
  {
    MutexLock lock(mutex_);
    Latest& latest = latest_[uuid];
    by_revision_.erase(latest.revision);
    removed_.erase(latest.revision);
    latest = {++revision_, removed};
    by_revision_.emplace(revision_, uuid);
    if (removed) removed_.emplace(revision_, uuid);
    if (removed_.size() > max_removed_) {
      const auto oldest = removed_.begin();
      forgotten_ = oldest->first;
      latest_.erase(oldest->second);
      by_revision_.erase(oldest->first);
      removed_.erase(oldest);
    }
  }
  MutexLock lock(calling_);
  for (const auto& [id, changed] : subscribers_) changed();
}

uint64_t VmFeed::revision() const {
  MutexLock lock(mutex_);
  return revision_;
}

absl::StatusOr<std::vector<VmFeed::Change>> VmFeed::After(uint64_t revision, size_t limit) const {
  MutexLock lock(mutex_);
  if (revision < forgotten_ || revision > revision_) {
    return Error(absl::StatusCode::kOutOfRange, "REVISION_GONE",
                 absl::StrCat("the changes since revision ", revision,
                              " are not known any more: start over, without a revision"));
  }
  std::vector<Change> changes;
  for (auto it = by_revision_.upper_bound(revision);
       it != by_revision_.end() && changes.size() < limit; ++it) {
    changes.push_back({it->first, it->second, removed_.contains(it->first)});
  }
  return changes;
}

VmFeed::SubscriberId VmFeed::Subscribe(std::function<void()> changed) {
  MutexLock lock(calling_);
  subscribers_.emplace(next_subscriber_, std::move(changed));
  return next_subscriber_++;
}

void VmFeed::Unsubscribe(SubscriberId id) {
  MutexLock lock(calling_);
  subscribers_.erase(id);
}

}  // namespace hvagent::reconcile
