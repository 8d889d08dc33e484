#include "agent/service/grpc_status.h"

#include "base/error.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

namespace hvagent::service {
namespace {

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

// The detail of type T, or nullopt.
template <typename T>
std::optional<T> Find(const google::rpc::Status& details) {
  for (const auto& any : details.details()) {
    T detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

TEST(GrpcStatusTest, OkStaysOkAndCarriesNothing) {
  const grpc::Status status = ToGrpcStatus(absl::OkStatus());
  EXPECT_TRUE(status.ok());
  EXPECT_TRUE(status.error_details().empty());
}

TEST(GrpcStatusTest, KeepsCodeMessageAndReason) {
  const grpc::Status status =
      ToGrpcStatus(Error(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND", "image a is not there"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "image a is not there");
  const auto details = DetailsOf(status);
  EXPECT_EQ(details.code(), static_cast<int>(grpc::StatusCode::NOT_FOUND));
  EXPECT_EQ(details.message(), status.error_message());
  const auto info = Find<google::rpc::ErrorInfo>(details);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "IMAGE_NOT_FOUND");
  EXPECT_EQ(info->domain(), "hvagent");
}

TEST(GrpcStatusTest, NamesTheFieldByItsWholePath) {
  const grpc::Status status =
      ToGrpcStatus(PrefixField(InvalidField("root_disk.size_gib", "is too small"), "spec"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const auto bad_request = Find<google::rpc::BadRequest>(DetailsOf(status));
  ASSERT_TRUE(bad_request.has_value());
  ASSERT_EQ(bad_request->field_violations_size(), 1);
  EXPECT_EQ(bad_request->field_violations(0).field(), "spec.root_disk.size_gib");
}

TEST(GrpcStatusTest, SaysWhetherToTryAgain) {
  const auto retries = [](const absl::Status& status) {
    return Find<google::rpc::RetryInfo>(DetailsOf(ToGrpcStatus(status))).has_value();
  };
  EXPECT_TRUE(retries(Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "away")));
  EXPECT_TRUE(retries(Error(absl::StatusCode::kAborted, "CUT_OFF", "again")));
  EXPECT_FALSE(retries(Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_OURS", "no")));
  EXPECT_FALSE(retries(InvalidField("id", "no")));
}

TEST(GrpcStatusTest, AnErrorWithoutAReasonStillHasItsDetails) {
  const grpc::Status status = ToGrpcStatus(absl::InternalError("broken"));
  EXPECT_EQ(DetailsOf(status).message(), "broken");
  EXPECT_FALSE(Find<google::rpc::ErrorInfo>(DetailsOf(status)).has_value());
}

}  // namespace
}  // namespace hvagent::service
