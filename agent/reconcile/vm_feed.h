// Which of the node's VMs have changed, in the order of a revision that grows with each change:
// what WatchState is made of.
//
// Of a VM only its latest change counts, so that a slow watcher costs nothing and misses nothing
// but what was overtaken. Thread-safe; never blocks.
#ifndef HVAGENT_AGENT_RECONCILE_VM_FEED_H_
#define HVAGENT_AGENT_RECONCILE_VM_FEED_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/uuid.h"

namespace hvagent::reconcile {

class VmFeed {
 public:
  struct Change {
    uint64_t revision = 0;
    Uuid uuid;
    bool removed = false;
  };

  // How many VMs that are gone are remembered, for watchers who have not heard of it.
  explicit VmFeed(size_t max_removed = 4096);

  // Names the life of this feed: the revisions of another mean nothing here.
  const std::string& instance() const { return instance_; }

  // The VM changed, or is gone.
  void Note(const Uuid& uuid, bool removed);

  // The revision of the latest change; 0: none yet.
  uint64_t revision() const;

  // At most `limit` of the changes after `revision`, in their order.
  // Errors: OUT_OF_RANGE (REVISION_GONE: a VM that is gone since has been forgotten, or there is no
  // such revision yet: start over).
  absl::StatusOr<std::vector<Change>> After(uint64_t revision, size_t limit) const;

  // Calls `changed` after each change, on the thread that noted it; it must not block and not call
  // back in. When Unsubscribe returns, no call is under way.
  using SubscriberId = uint64_t;
  SubscriberId Subscribe(std::function<void()> changed);
  void Unsubscribe(SubscriberId id);

 private:
  struct Latest {
    uint64_t revision = 0;
    bool removed = false;
  };

  const std::string instance_;
  const size_t max_removed_;
  mutable Mutex mutex_;
  uint64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t forgotten_ ABSL_GUARDED_BY(mutex_) = 0;  // of the latest removal that is not remembered
  std::map<Uuid, Latest> latest_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Uuid> by_revision_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Uuid> removed_
      ABSL_GUARDED_BY(mutex_);  // of by_revision_, those that are gone
  // Held while subscribers are called; before mutex_.
  Mutex calling_;
  std::map<SubscriberId, std::function<void()>> subscribers_ ABSL_GUARDED_BY(calling_);
  SubscriberId next_subscriber_ ABSL_GUARDED_BY(calling_) = 1;
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_VM_FEED_H_
