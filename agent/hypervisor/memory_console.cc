#include "agent/hypervisor/memory_console.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::hypervisor {

void MemorySerialPort::End(absl::Status why) {
  MutexLock lock(mutex_);
  if (ended_) return;
  ended_ = true;
  why_ = std::move(why);
  changed_.SignalAll();
}

bool MemorySerialPort::ended() const {
  MutexLock lock(mutex_);
  return ended_;
}

absl::StatusOr<std::string> MemorySerialPort::Read() {
  MutexLock lock(mutex_);
  while (output_.empty() && !ended_) changed_.Wait(mutex_);
  if (output_.empty() && !why_.ok()) return why_;
  return std::exchange(output_, std::string());
}

absl::Status MemorySerialPort::Type(absl::string_view bytes) {
  MutexLock lock(mutex_);
  if (ended_) {
    return why_.ok() ? Error(absl::StatusCode::kFailedPrecondition, "CONSOLE_ENDED",
                             "the console has ended")
                     : why_;
  }
  absl::StrAppend(&output_, bytes);
  changed_.SignalAll();
  return absl::OkStatus();
}

}  // namespace hvagent::hypervisor
