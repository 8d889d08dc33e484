#include "agentctl/follow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>

#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

const char kCancelled[] = "OperationService.Cancel op-1";

v1::Operation InState(v1::Operation::State state) {
  v1::Operation operation;
  operation.set_id("op-1");
  operation.set_target("jammy");
  operation.set_state(state);
  return operation;
}

class FollowTest : public ::testing::Test {
 protected:
  // The user presses Ctrl-C once the operation is seen to run. The next to watch see it cancelled.
  void InterruptWhenWatched() {
    agent_.on_watch = [this](grpc::ServerContext* context,
                             grpc::ServerWriter<v1::Operation>* writer) {
      if (watches_++ > 0) {
        v1::Operation ended = InState(v1::Operation::CANCELLED);
        ended.mutable_error()->set_code(1);
        ended.mutable_error()->set_message("cancelled");
        writer->Write(ended);
        return grpc::Status::OK;
      }
      writer->Write(InState(v1::Operation::RUNNING));
      ::raise(SIGINT);
      while (!context->IsCancelled()) {
      }
      return grpc::Status::CANCELLED;
    };
  }

  RunResult Watch(const RunOptions& options, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"operation", "watch", "op-1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunAgentctl({&agent_}, arguments, options);
  }

  std::atomic<int> watches_ = 0;
  FakeAgent agent_{"compute-1"};
};

TEST_F(FollowTest, CtrlCWithoutATerminalLeavesItRunningAndNamesIt) {
  InterruptWhenWatched();
  const RunResult result = Watch({.terminal = false, .typed = "y\n"});
  EXPECT_EQ(result.exit, ExitCode::kGoesOnThere);
  EXPECT_THAT(result.err, AllOf(HasSubstr("op-1"), HasSubstr("goes on there")));
  EXPECT_THAT(agent_.calls(), Not(Contains(kCancelled)));
}

TEST_F(FollowTest, CtrlCOnATerminalAsksAndCancels) {
  InterruptWhenWatched();
  const RunResult result = Watch({.terminal = true, .typed = "y\n"});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr("op-1"), HasSubstr("Cancel it?")));
  EXPECT_THAT(agent_.calls(), Contains(kCancelled));
}

TEST_F(FollowTest, CtrlCOnATerminalWithoutAYesLeavesItRunning) {
  InterruptWhenWatched();
  EXPECT_EQ(Watch({.terminal = true, .typed = "\n"}).exit, ExitCode::kGoesOnThere);
  EXPECT_THAT(agent_.calls(), Not(Contains(kCancelled)));
}

TEST_F(FollowTest, YesBeforehandDoesNotCancel) {
  InterruptWhenWatched();
  EXPECT_EQ(Watch({.terminal = true, .typed = "\n"}, {"--yes"}).exit, ExitCode::kGoesOnThere);
  EXPECT_THAT(agent_.calls(), Not(Contains(kCancelled)));
}

TEST_F(FollowTest, ConnectionThatBreaksIsMadeAgain) {
  agent_.on_watch = [this](grpc::ServerContext*, grpc::ServerWriter<v1::Operation>* writer) {
    if (watches_++ == 0) {
      writer->Write(InState(v1::Operation::RUNNING));
      return ConnectionLost();
    }
    writer->Write(InState(v1::Operation::SUCCEEDED));
    return grpc::Status::OK;
  };
  const RunResult result = Watch({});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(result.out, HasSubstr("SUCCEEDED"));
}

}  // namespace
}  // namespace hvagent::agentctl
