#include "agent/hypervisor/libvirt_error.h"

#include <libvirt/libvirt.h>

#include <cerrno>

#include "agent/hypervisor/libvirt_event_loop.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {
namespace {

using hvagent::testing::Fails;

absl::Status StatusOf(int code, int int1 = 0) {
  char message[] = "libvirt's words\n";
  virError error{};
  error.code = code;
  error.message = message;
  error.int1 = int1;
  return LibvirtErrorStatus(error, "cannot do it");
}

TEST(LibvirtErrorTest, KeepsWordsAndRawCode) {
  const absl::Status status = StatusOf(VIR_ERR_NO_DOMAIN);
  EXPECT_EQ(status.message(), "cannot do it: libvirt's words");
  EXPECT_EQ(RawCode(status, "libvirt"), VIR_ERR_NO_DOMAIN);
  EXPECT_EQ(RawCode(status, "errno"), std::nullopt);
}

TEST(LibvirtErrorTest, SaysWhatIsMissing) {
  EXPECT_THAT(StatusOf(VIR_ERR_NO_DOMAIN), Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
  EXPECT_THAT(StatusOf(VIR_ERR_NO_SECRET), Fails(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND"));
}

TEST(LibvirtErrorTest, ConnectionAndTimeAreRetryable) {
  for (const int code : {VIR_ERR_NO_CONNECT, VIR_ERR_INVALID_CONN, VIR_ERR_RPC}) {
    EXPECT_THAT(StatusOf(code), Fails(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE"));
  }
  EXPECT_THAT(StatusOf(VIR_ERR_OPERATION_TIMEOUT),
              Fails(absl::StatusCode::kDeadlineExceeded, "LIBVIRT_TIMEOUT"));
}

TEST(LibvirtErrorTest, RefusalsAreNot) {
  EXPECT_TRUE(absl::IsInvalidArgument(StatusOf(VIR_ERR_XML_INVALID_SCHEMA)));
  EXPECT_TRUE(absl::IsFailedPrecondition(StatusOf(VIR_ERR_OPERATION_INVALID)));
  EXPECT_TRUE(absl::IsFailedPrecondition(StatusOf(VIR_ERR_AGENT_UNRESPONSIVE)));
  EXPECT_TRUE(absl::IsPermissionDenied(StatusOf(VIR_ERR_ACCESS_DENIED)));
  EXPECT_TRUE(absl::IsUnauthenticated(StatusOf(VIR_ERR_AUTH_FAILED)));
  EXPECT_TRUE(absl::IsUnimplemented(StatusOf(VIR_ERR_NO_SUPPORT)));
  EXPECT_TRUE(absl::IsInternal(StatusOf(VIR_ERR_OPERATION_FAILED)));
}

TEST(LibvirtErrorTest, SystemErrorMeansItsErrno) {
  EXPECT_TRUE(absl::IsUnavailable(StatusOf(VIR_ERR_SYSTEM_ERROR, ECONNREFUSED)));
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf(VIR_ERR_SYSTEM_ERROR, ENOSPC)));
  EXPECT_TRUE(absl::IsPermissionDenied(StatusOf(VIR_ERR_SYSTEM_ERROR, EACCES)));
  EXPECT_EQ(RawCode(StatusOf(VIR_ERR_SYSTEM_ERROR, ENOSPC), "errno"), ENOSPC);
}

TEST(LibvirtErrorTest, MissingFileIsNoMissingDomain) {
  EXPECT_TRUE(absl::IsInternal(StatusOf(VIR_ERR_SYSTEM_ERROR, ENOENT)));
}

TEST(LibvirtErrorTest, ReadsTheErrorOfThisThread) {
  StartLibvirtEventLoop();
  ASSERT_EQ(virConnectOpen("nonsense:///"), nullptr);
  const absl::Status status = LibvirtError("cannot connect");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(RawCode(status, "libvirt"), ::testing::Optional(::testing::Gt(0)));
}

}  // namespace
}  // namespace hvagent::hypervisor
