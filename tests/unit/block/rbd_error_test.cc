#include "agent/block/rbd_error.h"

#include <cerrno>
#include <string>

#include "base/error.h"
#include "gmock/gmock.h"

namespace hvagent::block {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(CephStatusTest, ResultsThatAreNotNegativeAreOk) {
  EXPECT_TRUE(CephStatus(0, "open image vms/x", "client.hvagent").ok());
  EXPECT_TRUE(CephStatus(4096, "read image vms/x", "client.hvagent").ok());
}

TEST(CephStatusTest, EachErrnoHasTheCodeAndReasonOfTheSeam) {
  const struct {
    int code;
    absl::StatusCode expected;
    const char* reason;
  } kCases[] = {
      {ETIMEDOUT, absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT"},
      {ESHUTDOWN, absl::StatusCode::kUnavailable, "CEPH_BLOCKLISTED"},
      {ENOTCONN, absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"},
      {EPERM, absl::StatusCode::kPermissionDenied, "CEPH_CAPS"},
      {EACCES, absl::StatusCode::kPermissionDenied, "CEPH_CAPS"},
      {ENOSPC, absl::StatusCode::kResourceExhausted, "POOL_FULL"},
      {EDQUOT, absl::StatusCode::kResourceExhausted, "POOL_FULL"},
      {EEXIST, absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"},
      {EBUSY, absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE"},
      {EINVAL, absl::StatusCode::kInvalidArgument, "CEPH_REFUSED"},
      {EOPNOTSUPP, absl::StatusCode::kUnimplemented, "CEPH_UNSUPPORTED"},
      {ECANCELED, absl::StatusCode::kAborted, "CEPH_CONFLICT"},
      {EIO, absl::StatusCode::kInternal, "CEPH_ERROR"},
  };
  for (const auto& expected : kCases) {
    const absl::Status status = CephStatus(-expected.code, "open image vms/x", "client.hvagent");
    EXPECT_EQ(status.code(), expected.expected) << status;
    EXPECT_EQ(ErrorReason(status), expected.reason) << status;
    EXPECT_EQ(RawCode(status, "ceph"), expected.code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("cannot open image vms/x"));
  }
}

TEST(CephStatusTest, LeavesItToTheCallerToSayWhatWasNotFound) {
  const absl::Status status = CephStatus(-ENOENT, "open image vms/x", "client.hvagent");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(ErrorReason(status), std::nullopt);
}

TEST(CephStatusTest, MissingCapsNameTheUserAndThePool) {
  const absl::Status status = CephStatus(-EPERM, "open image vms/x", "client.hvagent");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("vms"), HasSubstr("client.hvagent")));
}

TEST(IsConnectionSpoiltTest, AfterATimeoutABlocklistingOrALostConnection) {
  for (const int code : {ETIMEDOUT, ESHUTDOWN, ENOTCONN}) {
    EXPECT_TRUE(IsConnectionSpoilt(CephStatus(-code, "open", "client.x"))) << code;
  }
  for (const int code : {ENOENT, EPERM, EBUSY, EIO}) {
    EXPECT_FALSE(IsConnectionSpoilt(CephStatus(-code, "open", "client.x"))) << code;
  }
  EXPECT_FALSE(IsConnectionSpoilt(absl::OkStatus()));
  EXPECT_FALSE(IsConnectionSpoilt(absl::DeadlineExceededError("not Ceph's")));
}

TEST(IsConnectionSpoiltTest, StillKnowsItUnderAnAnnotation) {
  EXPECT_TRUE(IsConnectionSpoilt(Annotate(CephStatus(-ETIMEDOUT, "open", "client.x"), "vm 1")));
}

}  // namespace
}  // namespace hvagent::block
