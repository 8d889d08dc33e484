// gMock matchers for absl::Status and StatusOr. Debian's Abseil has none.
#ifndef HVAGENT_TESTS_SUPPORT_STATUS_MATCHERS_H_
#define HVAGENT_TESTS_SUPPORT_STATUS_MATCHERS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "gmock/gmock.h"

namespace hvagent::testing {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << GetStatus(arg);
  return GetStatus(arg).ok();
}

// An error with this code and reason: EXPECT_THAT(status, Fails(kNotFound, "IMAGE_NOT_FOUND")).
MATCHER_P2(Fails, code, reason, "") {
  *result_listener << GetStatus(arg);
  return GetStatus(arg).code() == code && ErrorReason(GetStatus(arg)) == std::string(reason);
}

}  // namespace hvagent::testing

#define ASSERT_OK(expr) ASSERT_THAT(expr, ::hvagent::testing::IsOk())
#define EXPECT_OK(expr) EXPECT_THAT(expr, ::hvagent::testing::IsOk())

#endif  // HVAGENT_TESTS_SUPPORT_STATUS_MATCHERS_H_
