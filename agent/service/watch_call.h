// One NodeService.WatchState call.
#ifndef HVAGENT_AGENT_SERVICE_WATCH_CALL_H_
#define HVAGENT_AGENT_SERVICE_WATCH_CALL_H_

#include <deque>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/reconcile/vm_feed.h"
#include "agent/service/vm_view.h"
#include "agent/state/state_store.h"
#include "base/mutex.h"
#include "base/worker_pool.h"
#include "grpcpp/support/server_callback.h"
#include "hvagent/v1/node_service.pb.h"

namespace hvagent::service {

// What such calls share; all outlive the server.
struct WatchContext {
  WorkerPool& pool;
  reconcile::VmFeed& feed;
  state::StateStore& state;
  VmView& view;
};

// The events are made in batches on the pool, and a batch is written before the next is made, so
// that a slow client holds up itself only. Deletes itself when gRPC is done with the call.
class WatchCall final : public grpc::ServerWriteReactor<v1::StateEvent> {
 public:
  WatchCall(const v1::WatchStateRequest& request, const WatchContext& shared);

 private:
  using Batch = std::deque<v1::StateEvent>;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // Has the next batch made, unless one is being made or written.
  void Pump();
  // On the pool.
  void MakeBatch();
  absl::StatusOr<Batch> NextPage();
  absl::StatusOr<Batch> NextChanges();
  void End(const absl::Status& status);

  const WatchContext shared_;
  reconcile::VmFeed::SubscriberId subscriber_ = 0;

  // Of the thread that makes a batch.
  bool synced_;
  Uuid listed_;        // the last VM of the first list that was sent
  uint64_t revision_;  // what was sent, or where the changes begin after the first list

  v1::StateEvent current_;  // gRPC's while it is written
  Mutex mutex_;
  Batch batch_ ABSL_GUARDED_BY(mutex_);
  bool making_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool more_ ABSL_GUARDED_BY(mutex_) = false;  // something changed since the batch was begun
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_;  // set once, with ended_
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_WATCH_CALL_H_
