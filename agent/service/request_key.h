// What identifies a mutation: its request_id, and the digest of the rest of the request.
#ifndef HVAGENT_AGENT_SERVICE_REQUEST_KEY_H_
#define HVAGENT_AGENT_SERVICE_REQUEST_KEY_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/state/request_log.h"
#include "google/protobuf/message.h"

namespace hvagent::service {

// The key of `request`, which has a string field request_id. Never of a request that holds key
// material. `method` as "VmService.Create".
// Errors: INVALID_ARGUMENT (request_id) when the id is over 128 bytes.
absl::StatusOr<state::RequestKey> KeyOf(absl::string_view method,
                                        const google::protobuf::Message& request);

// As KeyOf, without a copy of what may be large: the id is taken out of `request`.
absl::StatusOr<state::RequestKey> TakeKey(absl::string_view method,
                                          google::protobuf::Message& request);

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_REQUEST_KEY_H_
