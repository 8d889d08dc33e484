#include "agent/service/console_call.h"

#include <thread>
#include <utility>

#include "agent/service/grpc_status.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::service {

ConsoleCall::ConsoleCall(Opener open, WorkerPool& streams)
    : open_(std::move(open)), streams_(streams) {
  StartRead(&input_);
}

void ConsoleCall::OnReadDone(bool ok) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = !std::exchange(started_, true);
    has_input_ = ok;
    input_over_ = !ok;
    changed_.SignalAll();
  }
  if (!first) return;
  const absl::Status queued = ok ? streams_.Submit([this] { Run(); })
                                 : InvalidField("id", "the first message names the VM");
  if (!queued.ok()) Finish(ToGrpcStatus(queued));
}

void ConsoleCall::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) gone_ = true;
  changed_.SignalAll();
}

void ConsoleCall::OnCancel() {
  MutexLock lock(mutex_);
  gone_ = true;
  if (console_ != nullptr) console_->End();
  changed_.SignalAll();
}

void ConsoleCall::Run() {
  auto console = open_(input_);
  if (!console.ok()) {
    Finish(ToGrpcStatus(console.status()));
    return;
  }
  {
    MutexLock lock(mutex_);
    console_ = console->get();
    if (gone_) console_->End();
  }
  std::thread typist([&] { Type(**console); });
  absl::Status status = Show(**console);
  {
    MutexLock lock(mutex_);
    console_->End();
    console_ = nullptr;
    changed_.SignalAll();
  }
  typist.join();
  status.Update(AwaitWritten());
  Finish(ToGrpcStatus(status));
}

absl::Status ConsoleCall::Show(hypervisor::Console& console) {
  RETURN_IF_ERROR(Send(""));  // it is open
  while (true) {
    ASSIGN_OR_RETURN(std::string bytes, console.Read());
    if (bytes.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(Send(std::move(bytes)));
  }
}

absl::Status ConsoleCall::Send(std::string bytes) {
  RETURN_IF_ERROR(AwaitWritten());
  output_.set_data(std::move(bytes));
  {
    MutexLock lock(mutex_);
    writing_ = true;
  }
  StartWrite(&output_);
  return absl::OkStatus();
}

absl::Status ConsoleCall::AwaitWritten() {
  MutexLock lock(mutex_);
  while (writing_) changed_.Wait(mutex_);
  return gone_ ? absl::CancelledError("the client went away") : absl::OkStatus();
}

void ConsoleCall::Type(hypervisor::Console& console) {
  while (true) {
    {
      MutexLock lock(mutex_);
      while (!has_input_ && !input_over_ && console_ != nullptr) changed_.Wait(mutex_);
      if (!has_input_ || console_ == nullptr) return;
    }
    // One that failed has ended, which the other thread sees and says.
    if (!console.Write(input_.data()).ok()) return;
    {
      MutexLock lock(mutex_);
      has_input_ = false;
    }
    StartRead(&input_);
  }
}

}  // namespace hvagent::service
