// A guest's serial console, held open (Hypervisor::OpenConsole). One thread reads, another writes.
#ifndef HVAGENT_AGENT_HYPERVISOR_CONSOLE_H_
#define HVAGENT_AGENT_HYPERVISOR_CONSOLE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hvagent::hypervisor {

class Console {
 public:
  // Ends it. Does not wait for libvirtd. No call may be under way.
  virtual ~Console() = default;

  // What the guest wrote since it was last read; blocks until there is something. Empty: the
  // console has ended, since the guest stopped or End was called.
  // Errors: UNAVAILABLE (CONSOLE_LOST: the connection to libvirt ended, or somebody took it over).
  virtual absl::StatusOr<std::string> Read() = 0;

  // Types `bytes`. Blocks while the guest takes nothing.
  // Errors: FAILED_PRECONDITION (CONSOLE_ENDED); as Read.
  virtual absl::Status Write(absl::string_view bytes) = 0;

  // Lets calls under way return, and all later ones. Any thread; does not block. Idempotent.
  virtual void End() = 0;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_CONSOLE_H_
