#include "agent/state/group_commit.h"

#include "base/status_macros.h"

namespace hvagent::state {

absl::Status GroupCommit::Run(Change change) {
  Waiter self{change};
  std::vector<Waiter*> batch;
  {
    MutexLock lock(mutex_);
    waiting_.push_back(&self);
    while (committing_ && !self.done) changed_.Wait(mutex_);
    if (self.done) return self.status;
    committing_ = true;
    batch.swap(waiting_);
  }
  Commit(batch);
  MutexLock lock(mutex_);
  for (Waiter* waiter : batch) waiter->done = true;
  committing_ = false;
  changed_.SignalAll();
  return self.status;
}

void GroupCommit::Commit(const std::vector<Waiter*>& batch) {
  MutexLock lock(database_mutex_);
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database_);
  absl::Status committed = transaction.status();
  if (committed.ok()) {
    for (Waiter* waiter : batch) {
      waiter->status = RunApart(waiter->change);
      // A full disk makes SQLite take the whole transaction back.
      if (!database_.InTransaction()) committed = waiter->status;
      if (!committed.ok()) break;
    }
  }
  if (committed.ok()) committed = transaction->Commit();
  if (committed.ok()) return;
  for (Waiter* waiter : batch) {
    if (waiter->status.ok()) waiter->status = committed;
  }
}

absl::Status GroupCommit::RunApart(Change change) {
  RETURN_IF_ERROR(database_.Execute("SAVEPOINT change"));
  absl::Status status = change(database_);
  if (!database_.InTransaction()) return status;
  if (!status.ok()) RETURN_IF_ERROR(database_.Execute("ROLLBACK TO change"));
  RETURN_IF_ERROR(database_.Execute("RELEASE change"));
  return status;
}

}  // namespace hvagent::state
