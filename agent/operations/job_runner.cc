#include "agent/operations/job_runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "glog/logging.h"

namespace hvagent::operations {
namespace {

// Jobs share the cluster with guests: few at once, the others wait.
constexpr size_t kMaxJobs = 4;
constexpr size_t kMaxQueued = 1024;
constexpr absl::Duration kFirstRetry = absl::Seconds(1);
constexpr absl::Duration kLastRetry = absl::Minutes(1);

absl::Duration RetryDelay(int attempts) {
  return std::min(kFirstRetry * (1 << std::min(attempts, 6)), kLastRetry);
}

}  // namespace

bool IsOpen(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

JobRunner::JobRunner(OperationTable& table, const Clock& clock,
                     std::map<v1::Operation::Kind, Job> jobs)
    : table_(table),
      clock_(clock),
      jobs_(std::move(jobs)),
      pool_(std::make_unique<WorkerPool>("jobs", kMaxJobs, kMaxQueued)) {}

JobRunner::~JobRunner() { Stop(); }

absl::StatusOr<v1::Operation> JobRunner::Start(v1::Operation::Kind kind, absl::string_view target,
                                               absl::string_view request_id,
                                               const google::protobuf::Message& request,
                                               const std::function<absl::Status()>& check) {
  v1::Operation operation;
  operation.set_kind(kind);
  operation.set_target(std::string(target));
  operation.mutable_request()->PackFrom(request);
  std::shared_ptr<RunningOperation> running;
  {
    MutexLock lock(start_mutex_);
    if (!request_id.empty()) {
      const absl::StatusOr<Uuid> id = Uuid::Parse(request_id);
      if (!id.ok()) return InvalidField("request_id", "must be a UUID, or be left out");
      operation.set_id(id->ToString());
      const absl::StatusOr<v1::Operation> before = table_.Get(operation.id());
      if (before.ok()) {
        if (before->request().value() == operation.request().value()) return before;
        return Error(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                     absl::StrCat("request_id ", request_id,
                                  " was used for another call: make a new one for each"));
      }
      if (!absl::IsNotFound(before.status())) return before.status();
    }
    if (check) RETURN_IF_ERROR(check());
    ASSIGN_OR_RETURN(running, table_.Begin(std::move(operation)));
  }
  v1::Operation begun = running->begun();
  Submit({.operation = std::move(running), .not_before = absl::ZeroDuration()});
  return begun;
}

absl::Status JobRunner::GoOn() {
  std::vector<Waiting> due;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    const auto later = std::partition(waiting_.begin(), waiting_.end(), [&](const Waiting& job) {
      return job.not_before > now && !job.operation->cancel_requested();
    });
    due.assign(std::make_move_iterator(later), std::make_move_iterator(waiting_.end()));
    waiting_.erase(later, waiting_.end());
  }
  for (Waiting& job : due) Submit(std::move(job));
  if (!table_.NeedsAdoption()) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto adopted, table_.Adopt());
  for (auto& operation : adopted) {
    LOG(INFO) << "operation " << operation->id() << " (" << operation->begun().target()
              << ") was cut off and goes on";
    Submit({.operation = std::move(operation), .not_before = absl::ZeroDuration()});
  }
  return absl::OkStatus();
}

bool JobRunner::NeedsGoOn() {
  if (table_.NeedsAdoption()) return true;
  MutexLock lock(mutex_);
  return !waiting_.empty();
}

void JobRunner::Submit(Waiting job) {
  MutexLock lock(mutex_);
  if (stopping_) return job.operation->LeaveToRecovery();
  const absl::Status queued = pool_->Submit([this, job] { Run(job); });
  if (!queued.ok()) waiting_.push_back(std::move(job));
}

void JobRunner::Run(Waiting job) {
  RunningOperation& operation = *job.operation;
  {
    MutexLock lock(mutex_);
    if (stopping_) return operation.LeaveToRecovery();
    running_[operation.id()] = job.operation;
  }
  const auto run = jobs_.find(operation.begun().kind());
  const absl::StatusOr<OperationResult> result =
      run != jobs_.end() ? run->second(operation)
                         : Error(absl::StatusCode::kUnimplemented, "UNKNOWN_OPERATION",
                                 "this version of the agent does not know this kind of operation: "
                                 "another version began it");
  absl::Status journalled;
  if (result.ok() || !IsOpen(result.status())) journalled = operation.Finish(result);
  MutexLock lock(mutex_);
  running_.erase(operation.id());
  if (!journalled.ok()) {
    LOG(ERROR) << "operation " << operation.id()
               << ": its end could not be recorded, so it is looked at again: " << journalled;
  } else if (IsOpen(result.status())) {
    if (stopping_) return operation.LeaveToRecovery();
    LOG(WARNING) << "operation " << operation.id() << " (" << operation.begun().target()
                 << ") waits and goes on: " << result.status();
    job.not_before = clock_.Monotonic() + RetryDelay(job.attempts++);
    waiting_.push_back(std::move(job));
  }
}

void JobRunner::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    for (const auto& [id, operation] : running_) operation->RequestStop();
    for (const Waiting& job : waiting_) job.operation->LeaveToRecovery();
    waiting_.clear();
  }
  pool_.reset();
}

}  // namespace hvagent::operations
