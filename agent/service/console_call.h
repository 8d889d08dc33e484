// One VmService.Console call: a thread hands what the guest writes to the client, and another what
// the client types to the guest. Each waits until its piece is taken, so that a slow client holds
// the guest's port back and a guest that reads nothing the client.
#ifndef HVAGENT_AGENT_SERVICE_CONSOLE_CALL_H_
#define HVAGENT_AGENT_SERVICE_CONSOLE_CALL_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/hypervisor/console.h"
#include "base/mutex.h"
#include "base/worker_pool.h"
#include "grpcpp/support/server_callback.h"
#include "hvagent/v1/vm_service.pb.h"

namespace hvagent::service {

// Deletes itself when gRPC is done with the call.
class ConsoleCall final : public grpc::ServerBidiReactor<v1::ConsoleInput, v1::ConsoleOutput> {
 public:
  // Blocks.
  using Opener =
      std::function<absl::StatusOr<std::unique_ptr<hypervisor::Console>>(const v1::ConsoleInput&)>;

  // `open` is called with the first message, on a thread of `streams`, which the call keeps to its
  // end. Both outlive the call.
  ConsoleCall(Opener open, WorkerPool& streams);

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

  // On the pool's thread.
  void Run();
  absl::Status Show(hypervisor::Console& console);
  absl::Status Send(std::string bytes);
  absl::Status AwaitWritten();
  // On a thread of the call's own, until the client has typed all or the console ends.
  void Type(hypervisor::Console& console);

  const Opener open_;
  WorkerPool& streams_;
  v1::ConsoleInput input_;    // gRPC's, but while `has_input_`
  v1::ConsoleOutput output_;  // gRPC's while `writing_`
  Mutex mutex_;
  CondVar changed_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_input_ ABSL_GUARDED_BY(mutex_) = false;
  bool input_over_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;                       // the client
  hypervisor::Console* console_ ABSL_GUARDED_BY(mutex_) = nullptr;  // while it is open
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_CONSOLE_CALL_H_
