#include "agentctl/vm_watch.h"

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agentctl/fan_out.h"
#include "agentctl/interrupts.h"
#include "agentctl/stream_watch.h"
#include "agentctl/views.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mutex.h"
#include "hvagent/v1/node_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(200);

// Writes the events of several nodes, one at a time. When nobody reads them any more, it ends the
// calls that they come from.
class Printer {
 public:
  Printer(Cli& cli, std::string id, CancelSet& calls)
      : cli_(cli), id_(std::move(id)), calls_(calls) {}

  // How writing went so far.
  ExitCode written() const {
    MutexLock lock(mutex_);
    return written_;
  }

  void Print(const Node& node, const v1::StateEvent& event) {
    if (event.has_vm()) {
      if (!Concerns(event.vm().spec())) return;
      Row row = RowOf(event.vm());
      row.node = node.name();
      Write(row);
    } else if (!event.removed().empty() && (id_.empty() || id_ == event.removed())) {
      v1::Vm gone;
      gone.mutable_spec()->set_uuid(event.removed());
      gone.mutable_status()->set_node(node.name());
      Row row = RowOf(gone);
      row.node = node.name();
      row.cells[1] = {"(deleted)", Tone::kBad};
      Write(row);
    }
  }

 private:
  bool Concerns(const v1::VmSpec& spec) const {
    return id_.empty() || id_ == spec.name() || absl::AsciiStrToLower(id_) == spec.uuid();
  }

  void Write(const Row& row) {
    MutexLock lock(mutex_);
    if (written_ != ExitCode::kDone) return;
    written_ = cli_.ShowNext(VmColumns(), row);
    if (written_ != ExitCode::kDone) calls_.CancelAll();
  }

  Cli& cli_;
  const std::string id_;
  CancelSet& calls_;
  mutable Mutex mutex_;
  ExitCode written_ ABSL_GUARDED_BY(mutex_) = ExitCode::kDone;
};

// Follows one node, over as many connections as it takes.
class NodeWatch {
 public:
  NodeWatch(Cli& cli, Node& node, Interrupts& interrupts, Printer& printer)
      : cli_(cli), node_(node), interrupts_(interrupts), printer_(printer) {}

  // Until the user leaves, nobody reads, the time is over, or nothing was heard for too long.
  absl::Status Run() {
    const absl::Duration deadline =
        SystemClock().Monotonic() + cli_.options.timeout.value_or(absl::InfiniteDuration());
    last_contact_ = SystemClock().Monotonic();
    while (true) {
      const absl::Status status = WatchOnce(deadline - SystemClock().Monotonic());
      if (interrupts_.interrupted() || printer_.written() != ExitCode::kDone ||
          SystemClock().Monotonic() >= deadline) {
        return absl::OkStatus();
      }
      if (ErrorReason(status) == "REVISION_GONE") {
        position_.Clear();
        continue;
      }
      if (!absl::IsUnavailable(status) && !status.ok()) return status;
      if (SystemClock().Monotonic() - last_contact_ > kStreamPatience) return status;
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(kRetryPause));
    }
  }

 private:
  absl::Status WatchOnce(absl::Duration time_left) {
    return node_.Call({time_left, &interrupts_.calls(), /*explain=*/true},
                      [&](const Node::Channel& channel, grpc::ClientContext& context) {
                        const ContactWatch watch = WatchStream(context, node_);
                        v1::NodeService::Stub stub(channel);
                        const auto reader = stub.WatchState(&context, position_);
                        v1::StateEvent event;
                        while (reader->Read(&event)) {
                          last_contact_ = SystemClock().Monotonic();
                          printer_.Print(node_, event);
                          if (event.revision() == 0 && !event.synced()) continue;
                          position_.set_instance(event.instance());
                          position_.set_revision(event.revision());
                        }
                        return reader->Finish();
                      });
  }

  Cli& cli_;
  Node& node_;
  Interrupts& interrupts_;
  Printer& printer_;
  v1::WatchStateRequest position_;  // where the stream has got to
  absl::Duration last_contact_;
};

}  // namespace

ExitCode WatchVms(Cli& cli, const std::string& id) {
  const auto targets = cli.Targets();
  if (!targets.ok()) return cli.Fail({"watch VMs", "", targets.status()});
  Interrupts interrupts;
  Printer printer(cli, id, interrupts.calls());
  const auto ends = FanOut(
      *targets, [&](Node* node) { return NodeWatch(cli, *node, interrupts, printer).Run(); },
      /*max_parallel=*/targets->size());
  if (printer.written() != ExitCode::kDone) return printer.written();
  std::vector<ExitCode> codes;
  for (size_t i = 0; i < targets->size(); ++i) {
    codes.push_back(ends[i].ok() ? ExitCode::kDone
                                 : cli.Fail({"watch VMs", (*targets)[i]->name(), ends[i]}));
  }
  return Combine(codes);
}

}  // namespace hvagent::agentctl
