// The errors that secrets/cluster_keys.h promises, worded once for all its implementations.
#ifndef HVAGENT_AGENT_BLOCK_KEY_ERROR_H_
#define HVAGENT_AGENT_BLOCK_KEY_ERROR_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "secrets/cluster_keys.h"

namespace hvagent::block {

absl::Status KeyRefused(absl::string_view entity);
absl::Status EntityNotFound(absl::string_view entity);
// `agent` is who asked, "client.hvagent".
absl::Status MayNotFetch(absl::string_view agent, absl::string_view entity);
absl::Status AlreadyClaimed(absl::string_view entity,
                            const std::optional<secrets::SecretClaim>& standing);

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_KEY_ERROR_H_
