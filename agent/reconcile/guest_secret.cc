#include "agent/reconcile/guest_secret.h"

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::reconcile {

absl::StatusOr<state::SecretBinding> GuestSecret(state::StateStore& state,
                                                 absl::string_view entity) {
  std::string current(entity);
  std::set<std::string> seen;
  while (seen.insert(current).second) {
    ASSIGN_OR_RETURN(std::optional<state::SecretBinding> secret, state.GetSecret(current));
    if (!secret.has_value()) {
      return Error(
          absl::StatusCode::kFailedPrecondition, "SECRET_NOT_SYNCED",
          absl::StrCat("this node has no secret for ", current,
                       ": run `agentctl secret sync --entity ", current, " --from keyring:FILE`"));
    }
    if (secret->superseded_by.empty()) return *std::move(secret);
    current = std::move(secret->superseded_by);
  }
  return Error(absl::StatusCode::kFailedPrecondition, "SECRET_CYCLE",
               absl::StrCat("on this node ", entity, " is superseded by a chain of entities that ",
                            "comes back to ", current,
                            ": run `agentctl secret sync` for the one that guests shall use"));
}

}  // namespace hvagent::reconcile
