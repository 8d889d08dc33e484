#include "agent/operations/rpc_status.h"

#include <string>

#include "base/error.h"
#include "google/rpc/error_details.pb.h"

namespace hvagent::operations {
namespace {

constexpr char kErrorDomain[] = "hvagent";
constexpr int kRetryDelaySeconds = 1;

}  // namespace

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int>(status.code()));
  rpc.set_message(std::string(status.message()));
  if (const auto reason = ErrorReason(status)) {
    google::rpc::ErrorInfo info;
    info.set_reason(*reason);
    info.set_domain(kErrorDomain);
    rpc.add_details()->PackFrom(info);
  }
  if (const auto field = ErrorField(status)) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(*field);
    violation->set_description(rpc.message());
    rpc.add_details()->PackFrom(bad_request);
  }
  if (IsRetryable(status)) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(kRetryDelaySeconds);
    rpc.add_details()->PackFrom(retry);
  }
  return rpc;
}

}  // namespace hvagent::operations
