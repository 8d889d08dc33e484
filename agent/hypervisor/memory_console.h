// The console of a simulated guest: it greets, and echoes what is typed. Thread-safe.
#ifndef HVAGENT_AGENT_HYPERVISOR_MEMORY_CONSOLE_H_
#define HVAGENT_AGENT_HYPERVISOR_MEMORY_CONSOLE_H_

#include <memory>
#include <string>

#include "agent/hypervisor/console.h"
#include "base/mutex.h"

namespace hvagent::hypervisor {

// What the guest and who opened its console share.
class MemorySerialPort {
 public:
  // Makes Reads and Writes end, with OK or what happened to the console.
  void End(absl::Status why);
  bool ended() const;

  absl::StatusOr<std::string> Read();
  absl::Status Type(absl::string_view bytes);

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  std::string output_ ABSL_GUARDED_BY(mutex_) = "a simulated guest\r\n";
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status why_ ABSL_GUARDED_BY(mutex_);
};

class MemoryConsole final : public Console {
 public:
  explicit MemoryConsole(std::shared_ptr<MemorySerialPort> port) : port_(std::move(port)) {}
  ~MemoryConsole() override { End(); }

  absl::StatusOr<std::string> Read() override { return port_->Read(); }
  absl::Status Write(absl::string_view bytes) override { return port_->Type(bytes); }
  void End() override { port_->End(absl::OkStatus()); }

 private:
  const std::shared_ptr<MemorySerialPort> port_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_MEMORY_CONSOLE_H_
