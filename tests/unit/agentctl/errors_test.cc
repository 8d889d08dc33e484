#include "agentctl/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

TEST(ErrorsTest, TakesReasonAndFieldOffTheWire) {
  const absl::Status status =
      FromGrpc(AgentError(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                          "root_disk.size_gib: must be at least 2", "root_disk.size_gib"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "root_disk.size_gib: must be at least 2");
  EXPECT_EQ(ErrorReason(status), "INVALID_FIELD");
  EXPECT_EQ(ErrorField(status), "root_disk.size_gib");
}

TEST(ErrorsTest, TellsTheAgentsAnswersFromThoseThatGrpcMadeUp) {
  EXPECT_TRUE(IsFromAgent(AgentError(grpc::StatusCode::UNAVAILABLE, "LIBVIRT_DOWN", "no libvirt")));
  EXPECT_FALSE(IsFromAgent(ConnectionLost()));
}

TEST(ErrorsTest, LineSaysWhatFailedWhereWhyAndWhatToDo) {
  const Failure failure{"start VM web-1", "compute-1",
                        WithHint(absl::NotFoundError("there is no VM web-1"), "look with vm list")};
  EXPECT_EQ(FailureLine(failure),
            "agentctl: start VM web-1 on compute-1: there is no VM web-1 (look with vm list)");
}

TEST(ErrorsTest, LineIsOneLineThatCannotDriveTheTerminal) {
  const Failure failure{"get VM x", "", absl::InternalError("a\nb\x1b[31m\x07")};
  EXPECT_EQ(FailureLine(failure), "agentctl: get VM x: a b\\x1b[31m\\x07");
}

TEST(ErrorsTest, JsonHoldsWhatProgramsNeedAndLeavesOutWhatIsNotKnown) {
  const Failure failure{"get image \"x\"", "compute-1",
                        Error(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND", "no image")};
  EXPECT_EQ(FailureJson(failure),
            R"({"error": {"what": "get image \"x\"", "node": "compute-1", "code": "NOT_FOUND", )"
            R"("reason": "IMAGE_NOT_FOUND", "message": "no image"}})");
}

TEST(ErrorsTest, ExitCodeIsFailedUnlessAnotherIsTied) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kDone);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("x")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(WithExit(absl::InternalError("x"), ExitCode::kInDoubt)), ExitCode::kInDoubt);
}

}  // namespace
}  // namespace hvagent::agentctl
