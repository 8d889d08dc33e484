// One sync of the disk for all changes that come at the same time. The first caller commits its
// change at once; those that come meanwhile wait and are committed together by one of them. A
// change that fails takes back only itself.
#ifndef HVAGENT_AGENT_STATE_GROUP_COMMIT_H_
#define HVAGENT_AGENT_STATE_GROUP_COMMIT_H_

#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "agent/state/sqlite.h"
#include "base/mutex.h"

namespace hvagent::state {

// Thread-safe.
class GroupCommit {
 public:
  using Change = absl::FunctionRef<absl::Status(Database&)>;

  // `database_mutex` is held around every use of `database`; both outlive this object.
  GroupCommit(Mutex& database_mutex, Database& database)
      : database_mutex_(database_mutex), database_(database) {}

  // Durable when it returns OK; else nothing of the change is. `change` runs on some caller's
  // thread, inside a transaction of this class's. Errors: those of `change`, and of the commit.
  absl::Status Run(Change change);

 private:
  struct Waiter {
    Change change;
    absl::Status status;
    bool done = false;
  };

  void Commit(const std::vector<Waiter*>& batch);
  absl::Status RunApart(Change change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(database_mutex_);

  Mutex& database_mutex_;
  Database& database_;

  Mutex mutex_;
  CondVar changed_;
  std::vector<Waiter*> waiting_ ABSL_GUARDED_BY(mutex_);
  bool committing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace hvagent::state

#endif  // HVAGENT_AGENT_STATE_GROUP_COMMIT_H_
