// EXPECT_THAT(status, FailsWith(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND")), for an
// absl::Status or an absl::StatusOr.
#ifndef HVAGENT_TESTS_CONTRACT_HYPERVISOR_FAILS_WITH_H_
#define HVAGENT_TESTS_CONTRACT_HYPERVISOR_FAILS_WITH_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "gmock/gmock.h"

namespace hvagent::hypervisor {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER_P2(FailsWith, code, reason,
           std::string("fails with ") + absl::StatusCodeToString(code) + " " + reason) {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code && ErrorReason(status) == std::string(reason);
}

MATCHER(Succeeds, "succeeds") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.ok();
}

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_TESTS_CONTRACT_HYPERVISOR_FAILS_WITH_H_
