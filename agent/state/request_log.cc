#include "agent/state/request_log.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::state {
namespace {

RequestRecord RecordOf(const RequestKey& key) {
  return {.method = key.method, .body_digest = key.body_digest};
}

}  // namespace

absl::StatusOr<bool> RequestLog::WasAnswered(const RequestKey& key) {
  if (key.id.empty()) return false;
  ASSIGN_OR_RETURN(const auto record, state_.GetRequest(key.id));
  if (!record.has_value()) return false;
  if (record->method == key.method && record->body_digest == key.body_digest) return true;
  return Error(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
               absl::StrCat("request_id ", key.id, " was used for another request (",
                            record->method, "): use a fresh one"));
}

absl::Status RequestLog::Remember(const RequestKey& key) {
  if (key.id.empty()) return absl::OkStatus();
  const absl::Status status = state_.PutRequest(key.id, RecordOf(key), clock_.Now());
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

absl::Status RequestLog::Commit(Changes changes, const RequestKey& key) {
  changes.request_id = key.id;
  changes.request = RecordOf(key);
  changes.now = clock_.Now();
  return state_.Commit(changes);
}

}  // namespace hvagent::state
