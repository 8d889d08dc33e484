#include "base/error.h"

#include "gtest/gtest.h"

namespace hvagent {
namespace {

TEST(ErrorTest, CarriesReasonAndFieldThroughAnnotation) {
  const absl::Status status =
      Annotate(InvalidField("size_gib", "must be at least 1"), "vm instance-1");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "vm instance-1: size_gib: must be at least 1");
  EXPECT_EQ(ErrorReason(status), "INVALID_FIELD");
  EXPECT_EQ(ErrorField(status), "size_gib");
}

TEST(ErrorTest, PrefixFieldExtendsThePathInMessageAndPayload) {
  const absl::Status status = PrefixField(InvalidField("size_gib", "is missing"), "root_disk");
  EXPECT_EQ(status.message(), "root_disk.size_gib: is missing");
  EXPECT_EQ(ErrorField(status), "root_disk.size_gib");
}

TEST(ErrorTest, PrefixFieldLeavesOtherErrorsAlone) {
  EXPECT_EQ(PrefixField(absl::NotFoundError("gone"), "x"), absl::NotFoundError("gone"));
}

TEST(ErrorTest, KeepsTheRawCodeOfEachLibrary) {
  absl::Status status = absl::NotFoundError("no such domain");
  SetRawCode(status, "libvirt", 42);
  EXPECT_EQ(RawCode(status, "libvirt"), 42);
  EXPECT_EQ(RawCode(status, "rados"), std::nullopt);
}

TEST(ErrorTest, OnlyWhatMayPassByItselfIsRetryable) {
  EXPECT_TRUE(IsRetryable(absl::UnavailableError("")));
  EXPECT_TRUE(IsRetryable(absl::DeadlineExceededError("")));
  EXPECT_FALSE(IsRetryable(absl::NotFoundError("")));
  EXPECT_FALSE(IsRetryable(absl::OkStatus()));
}

}  // namespace
}  // namespace hvagent
