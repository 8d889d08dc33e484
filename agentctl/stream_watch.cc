#include "agentctl/stream_watch.h"

#include "absl/strings/str_cat.h"

namespace hvagent::agentctl {
namespace {

constexpr absl::Duration kPollInterval = absl::Seconds(5);

}  // namespace

ContactWatch WatchStream(grpc::ClientContext& call, Node& node) {
  return ContactWatch(call, kPollInterval, kStreamPatience, [&node] {
    return node.CheckReachable({kPollInterval, nullptr, /*explain=*/false});
  });
}

absl::Status NodeWasSilent() {
  return absl::UnavailableError(
      absl::StrCat("the node was silent for ", absl::FormatDuration(kStreamPatience)));
}

}  // namespace hvagent::agentctl
