// One VmService.ReadLog call: a guest's serial log from its end, and what is added to it.
#ifndef HVAGENT_AGENT_SERVICE_SERIAL_LOG_CALL_H_
#define HVAGENT_AGENT_SERVICE_SERIAL_LOG_CALL_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "base/worker_pool.h"
#include "grpcpp/support/server_callback.h"
#include "hvagent/v1/vm_service.pb.h"

namespace hvagent::service {

// Deletes itself when gRPC is done with the call.
class SerialLogCall final : public grpc::ServerWriteReactor<v1::ReadLogResponse> {
 public:
  // Which file is the log of the VM that a request names; blocks.
  using Finder = std::function<absl::StatusOr<std::string>(const v1::ReadLogRequest&)>;

  // `find` is called on a thread of `streams`, which the call keeps to its end. Both outlive it.
  SerialLogCall(v1::ReadLogRequest request, Finder find, WorkerPool& streams);

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

  // On the pool's thread.
  absl::Status Run();
  // Sends what there is from where `log` stands to its end.
  absl::Status SendRest(const UniqueFd& log);
  absl::Status Send(std::string bytes);
  absl::Status AwaitWritten();
  // Errors: CANCELLED.
  absl::Status Pause();

  const v1::ReadLogRequest request_;
  const Finder find_;
  v1::ReadLogResponse message_;  // gRPC's while `writing_`
  Mutex mutex_;
  CondVar changed_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_SERIAL_LOG_CALL_H_
