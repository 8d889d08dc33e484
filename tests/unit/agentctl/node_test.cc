#include "agentctl/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agentctl/errors.h"
#include "base/error.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const char kUuid[] = "65bd684f-0414-4b58-9924-af681091be09";

class NodeTest : public ::testing::Test {
 protected:
  NodeTest() : node_(agent_.name(), agent_.address(), nullptr) {
    agent_.AddVm(kUuid, "web-1");
    request_.set_id(kUuid);
    request_.set_request_id("request-1");
  }

  absl::StatusOr<v1::Vm> Start(const ChangeOptions& options) {
    return node_.Change(options, &v1::VmService::Stub::Start, request_);
  }

  FakeAgent agent_{"compute-1"};
  Node node_;
  v1::StartVmRequest request_;
};

TEST_F(NodeTest, AnswersOfTheAgentComeBackAsTheyAre) {
  agent_.on_start = [](int, v1::Vm*) {
    return AgentError(grpc::StatusCode::UNAVAILABLE, "LIBVIRT_DOWN", "libvirt is away");
  };
  const absl::Status status = Start({}).status();
  EXPECT_EQ(ErrorReason(status), "LIBVIRT_DOWN");
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kFailed);
  EXPECT_THAT(agent_.request_ids("VmService.Start"), SizeIs(1));
}

TEST_F(NodeTest, LostConnectionIsSettledByTheSameRequestAgain) {
  agent_.on_start = [](int call, v1::Vm*) {
    return call < 3 ? ConnectionLost() : grpc::Status::OK;
  };
  const auto vm = Start({});
  ASSERT_TRUE(vm.ok()) << vm.status();
  EXPECT_THAT(agent_.request_ids("VmService.Start"),
              ::testing::ElementsAre("request-1", "request-1", "request-1"));
}

TEST_F(NodeTest, LostConnectionThatStaysLostIsInDoubt) {
  agent_.on_start = [](int, v1::Vm*) { return ConnectionLost(); };
  ChangeOptions options;
  options.timeout = absl::Seconds(1);
  const absl::Status status = Start(options).status();
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kInDoubt);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not known"));
}

TEST_F(NodeTest, NothingIsSentToANodeThatDoesNotAnswer) {
  agent_.Stop();
  const absl::Status status = Start({}).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(ErrorReason(status), "AGENT_NOT_RUNNING");
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kFailed);
}

TEST_F(NodeTest, WaitThatTimesOutGoesOnThereWhileTheNodeLives) {
  agent_.on_start = [](int, v1::Vm*) {
    return AgentError(grpc::StatusCode::DEADLINE_EXCEEDED, "NOT_YET", "still starting");
  };
  ChangeOptions options;
  options.waits = true;
  const absl::Status status = Start(options).status();
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kGoesOnThere);
}

TEST_F(NodeTest, CallThatTimesOutWithoutWaitingIsInDoubt) {
  Mutex mutex;
  CondVar changed;
  bool over = false;
  agent_.on_start = [&](int, v1::Vm*) {
    MutexLock lock(mutex);
    while (!over) changed.Wait(mutex);
    return grpc::Status::OK;
  };
  ChangeOptions options;
  options.timeout = absl::Milliseconds(200);
  EXPECT_EQ(ExitCodeOf(Start(options).status()), ExitCode::kInDoubt);
  options.waits = true;
  EXPECT_EQ(ExitCodeOf(Start(options).status()), ExitCode::kGoesOnThere);
  // A node that cannot even be asked may have lost the wish.
  options.poll = [](Node&) { return absl::UnavailableError("silent"); };
  EXPECT_EQ(ExitCodeOf(Start(options).status()), ExitCode::kInDoubt);
  {
    MutexLock lock(mutex);
    over = true;
  }
  changed.SignalAll();
  // Before what its handlers use goes.
  agent_.Stop();
}

TEST_F(NodeTest, InterruptEndsAWaitAndLeavesTheWish) {
  Mutex mutex;
  CondVar changed;
  bool over = false;
  agent_.on_start = [&](int, v1::Vm*) {
    ::raise(SIGINT);
    MutexLock lock(mutex);
    while (!over) changed.Wait(mutex);
    return grpc::Status::OK;
  };
  Interrupts interrupts;
  ChangeOptions options;
  options.timeout = absl::InfiniteDuration();
  options.interrupts = &interrupts;
  options.waits = true;
  const absl::Status status = Start(options).status();
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kGoesOnThere);
  EXPECT_TRUE(absl::IsCancelled(status));
  // What has not begun yet does not begin.
  EXPECT_TRUE(absl::IsCancelled(Start(options).status()));
  EXPECT_THAT(agent_.request_ids("VmService.Start"), SizeIs(1));
  {
    MutexLock lock(mutex);
    over = true;
  }
  changed.SignalAll();
  // Before what its handlers use goes.
  agent_.Stop();
}

TEST_F(NodeTest, UnreachableSocketSaysWhatToLookAt) {
  Node nobody("compute-9", "unix:/nowhere/agentd.sock", nullptr);
  const absl::Status status = nobody.CheckReachable({});
  EXPECT_EQ(ErrorReason(status), "AGENT_NOT_RUNNING");
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/agentd.sock"));
}

}  // namespace
}  // namespace hvagent::agentctl
