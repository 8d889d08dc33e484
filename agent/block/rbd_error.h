// The one place that turns an error of librados or librbd into absl::Status.
#ifndef HVAGENT_AGENT_BLOCK_RBD_ERROR_H_
#define HVAGENT_AGENT_BLOCK_RBD_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hvagent::block {

// `result` is what the call returned: a negative errno, which the status keeps as the raw code
// "ceph" (positive). Zero and more is OK. `action` says what `entity` wanted, naming the pool or
// image: "open image vms/65bd684f_disk".
//
// ENOENT becomes NOT_FOUND without a reason: only the caller knows which name was missing.
absl::Status CephStatus(int result, absl::string_view action, absl::string_view entity);

// Whether the connection that gave `status` is no good any more: an operation on it timed out, so
// it may hold others that would land late; or the cluster has blocklisted it, which lasts.
bool IsConnectionSpoilt(const absl::Status& status);

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_ERROR_H_
