// The watch over every stream to or from a node: uploads, downloads, operations that are followed.
#ifndef HVAGENT_AGENTCTL_STREAM_WATCH_H_
#define HVAGENT_AGENTCTL_STREAM_WATCH_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agentctl/contact_watch.h"
#include "agentctl/node.h"
#include "grpcpp/client_context.h"

namespace hvagent::agentctl {

// How long a node may be silent before a stream counts as broken.
inline constexpr absl::Duration kStreamPatience = absl::Seconds(30);

// Asks every five seconds whether the node can be reached, on a connection of its own. Both outlive
// the watch, which cancels `call` once the node was silent for kStreamPatience.
ContactWatch WatchStream(grpc::ClientContext& call, Node& node);

// What a stream failed of that such a watch cancelled: UNAVAILABLE.
absl::Status NodeWasSilent();

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_STREAM_WATCH_H_
