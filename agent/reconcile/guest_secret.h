// Which secret a guest that starts now uses.
#ifndef HVAGENT_AGENT_RECONCILE_GUEST_SECRET_H_
#define HVAGENT_AGENT_RECONCILE_GUEST_SECRET_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/state/state_store.h"

namespace hvagent::reconcile {

// The secret of `entity`, or of the one that has superseded it in a rotation, and so on. Blocks on
// the state.
// Errors: FAILED_PRECONDITION (SECRET_NOT_SYNCED: this node does not keep it; SECRET_CYCLE: the
// entities supersede each other); the state's.
absl::StatusOr<state::SecretBinding> GuestSecret(state::StateStore& state,
                                                 absl::string_view entity);

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_GUEST_SECRET_H_
