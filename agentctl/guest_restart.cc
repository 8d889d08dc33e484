#include "agentctl/guest_restart.h"

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "agentctl/fan_out.h"
#include "agentctl/listing.h"
#include "agentctl/vm_wait.h"
#include "base/error.h"
#include "base/uuid.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

class GuestRestart {
 public:
  GuestRestart(Cli& cli, Interrupts& interrupts, Node& node, const v1::VmRef& guest)
      : cli_(cli), interrupts_(interrupts), node_(node), guest_(guest) {}

  absl::Status Run(absl::Duration patience) {
    absl::Status status = Restart(/*force=*/false, patience);
    if (absl::IsNotFound(status)) {
      return Error(absl::StatusCode::kFailedPrecondition, "NOT_OURS",
                   "is not one of this agent's guests: restart it with what made it");
    }
    if (ExitCodeOf(status) == ExitCode::kGoesOnThere && !interrupts_.interrupted()) {
      Note(absl::StrCat("has not shut down within ", absl::FormatDuration(patience),
                        ", cutting its power"));
      status = Restart(/*force=*/true, cli_.wait_options(interrupts_).timeout);
    }
    return status;
  }

 private:
  absl::Status Restart(bool force, absl::Duration timeout) {
    Note(force ? "restarting it by force" : "restarting");
    v1::RestartVmRequest request;
    request.set_id(guest_.uuid());
    request.set_request_id(Uuid::Random().ToString());
    request.set_wait(true);
    request.set_force(force);
    ChangeOptions options = WaitForVm(cli_, interrupts_, guest_.uuid(), guest_.name());
    options.timeout = timeout;
    return node_.Change(options, &v1::VmService::Stub::Restart, request).status();
  }

  void Note(const std::string& text) {
    cli_.Note(absl::StrCat(guest_.name(), " on ", node_.name(), ": ", text));
  }

  Cli& cli_;
  Interrupts& interrupts_;
  Node& node_;
  const v1::VmRef& guest_;
};

}  // namespace

std::vector<absl::Status> RestartGuests(Cli& cli, Interrupts& interrupts, Node& node,
                                        const std::vector<v1::VmRef>& guests,
                                        const RestartOptions& options) {
  std::atomic<bool> failed{false};
  return FanOut(
      guests,
      [&](const v1::VmRef& guest) -> absl::Status {
        if (interrupts.interrupted()) return NotTried("it was interrupted");
        if (failed) return NotTried("another guest failed");
        absl::Status status = GuestRestart(cli, interrupts, node, guest).Run(options.patience);
        if (!status.ok()) failed = true;
        return status;
      },
      options.parallel);
}

}  // namespace hvagent::agentctl
