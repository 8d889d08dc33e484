// Runs the operations that need no client, each as one job on a thread, and sees each through: what
// a restart of the agent cut off, or what Ceph's going away stopped, is gone on with.
//
// A job is a function of its operation that may be called again for the same one, from the top: it
// begins with a look at what is there already. So there is one path for a new operation and for one
// that was cut off at whatever step.
#ifndef HVAGENT_AGENT_OPERATIONS_JOB_RUNNER_H_
#define HVAGENT_AGENT_OPERATIONS_JOB_RUNNER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/operations/operation_table.h"
#include "agent/operations/running_operation.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/worker_pool.h"
#include "google/protobuf/message.h"
#include "hvagent/v1/operation.pb.h"

namespace hvagent::operations {

// Whether a job that ended with `status` has not come to its end: the outcome is not known, or the
// cluster is away. It is called again then.
bool IsOpen(const absl::Status& status);

// Thread-safe.
class JobRunner {
 public:
  // Blocks until the operation has come to its end, which is returned: its result; CANCELLED once
  // all is undone, when CheckGoesOn said so; any other error once all is undone. With
  // UNAVAILABLE or DEADLINE_EXCEEDED (IsOpen) the job is called again.
  using Job = std::function<absl::StatusOr<OperationResult>(RunningOperation&)>;

  // Both outlive the runner. Each kind of operation in `jobs` is this runner's.
  JobRunner(OperationTable& table, const Clock& clock, std::map<v1::Operation::Kind, Job> jobs);
  // Stops, as Stop does.
  ~JobRunner();

  // Journals an operation and starts its job. `request_id` becomes the operation's id, so that the
  // same request again is answered with the same operation; empty: a random one. `check`, if given,
  // may refuse an operation that is new. Does not wait for the job; blocks on the node's state.
  // Errors: INVALID_ARGUMENT (request_id, unless it is a UUID), ALREADY_EXISTS (REQUEST_ID_REUSED),
  // and `check`'s.
  absl::StatusOr<v1::Operation> Start(v1::Operation::Kind kind, absl::string_view target,
                                      absl::string_view request_id,
                                      const google::protobuf::Message& request,
                                      const std::function<absl::Status()>& check = nullptr);

  // Calls the jobs whose time has come again, and adopts what nobody works on. To be called from
  // time to time while Ceph is connected. Blocks on the node's state.
  absl::Status GoOn();
  // Whether GoOn may have something to do. Does not block.
  bool NeedsGoOn();

  // Lets jobs come to the end of their step; they go on after the next start. Idempotent.
  void Stop();

 private:
  struct Waiting {
    std::shared_ptr<RunningOperation> operation;
    absl::Duration not_before;  // monotonic
    int attempts = 0;
  };

  void Submit(Waiting job);
  void Run(Waiting job);

  OperationTable& table_;
  const Clock& clock_;
  const std::map<v1::Operation::Kind, Job> jobs_;
  Mutex start_mutex_;  // held over a look for an operation's id and its beginning
  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::shared_ptr<RunningOperation>> running_ ABSL_GUARDED_BY(mutex_);
  std::vector<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<WorkerPool> pool_;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_JOB_RUNNER_H_
