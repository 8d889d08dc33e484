// What the edge makes of the specs that a request holds: checked, canonical, and meant for this
// node. Pure.
#ifndef HVAGENT_AGENT_SERVICE_PUSH_REQUEST_H_
#define HVAGENT_AGENT_SERVICE_PUSH_REQUEST_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "hvagent/v1/push.pb.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::service {

// `spec` as `node` stores it. Errors: INVALID_ARGUMENT (the field's path under `path`).
absl::StatusOr<v1::VmSpec> AdmitVm(const v1::VmSpec& spec, absl::string_view path,
                                   absl::string_view node);

// Checks all of a push but its specs, which AdmitVm does where one is not known already, and makes
// the UUIDs of its deletions canonical.
// Errors: INVALID_ARGUMENT (the field's path: "term", "vms[3].spec.uuid").
absl::Status AdmitPush(v1::PushStateRequest& push);

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_PUSH_REQUEST_H_
