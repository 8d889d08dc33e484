// What our absl::Status errors carry besides code and message.
//
// A message says what failed, where, why, and what to do. Beside it travel, as payloads, the
// parts that programs use: a stable reason (UPPER_SNAKE, google.rpc.ErrorInfo on the wire), the
// path of the offending field (google.rpc.BadRequest), and the raw code of the C library that
// failed. Payloads never hold key material, and neither do messages.
//
// Thread-safe: all functions are pure.
#ifndef HVAGENT_BASE_ERROR_H_
#define HVAGENT_BASE_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hvagent {

// An error with a stable reason, e.g. Error(kNotFound, "IMAGE_NOT_FOUND", "image ... ").
absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message);

// INVALID_ARGUMENT with reason INVALID_FIELD. `field` is the path in the request or manifest, as
// "vms[0].root_disk.size_gib"; `problem` completes the sentence "<field>: <problem>".
absl::Status InvalidField(absl::string_view field, absl::string_view problem);

// The reason, or the field's path, that `status` carries.
std::optional<std::string> ErrorReason(const absl::Status& status);
std::optional<std::string> ErrorField(const absl::Status& status);

// Keeps which library failed and its raw code ("libvirt", 38), for logs and tests.
void SetRawCode(absl::Status& status, absl::string_view library, int code);
std::optional<int> RawCode(const absl::Status& status, absl::string_view library);

// Puts "`context`: " before the message and keeps code and payloads. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

// As Annotate for `field` paths: prefixes a field path that the status carries, so that
// "size_gib" inside "root_disk" becomes "root_disk.size_gib". Other statuses are unchanged.
absl::Status PrefixField(const absl::Status& status, absl::string_view prefix);

// Whether the same call may succeed later without anybody changing its input: UNAVAILABLE,
// DEADLINE_EXCEEDED, ABORTED and RESOURCE_EXHAUSTED. The one place that decides this.
bool IsRetryable(const absl::Status& status);

}  // namespace hvagent

#endif  // HVAGENT_BASE_ERROR_H_
