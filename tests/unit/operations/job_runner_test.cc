#include "agent/operations/job_runner.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"

namespace hvagent::operations {
namespace {

using ::hvagent::testing::Fails;
using v1::Operation;

const absl::Status kAway = Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "away");

// One node's journal, with an agent that can be started again.
class JobRunnerTest : public ::testing::Test {
 protected:
  JobRunnerTest() : state_(*state::StateStore::Open(":memory:")) { StartAgent(); }

  void StartAgent() {
    runner_.reset();
    table_ = std::make_unique<OperationTable>(*state_, clock_);
    runner_ = std::make_unique<JobRunner>(
        *table_, clock_,
        std::map<Operation::Kind, JobRunner::Job>{
            {Operation::VOLUME_FLATTEN, [this](RunningOperation& operation) {
               ++calls_;
               return job_(operation);
             }}});
  }

  absl::StatusOr<Operation> Start(const std::string& target, const std::string& request_id = "") {
    v1::Volume request;
    request.set_id(target);
    return runner_->Start(Operation::VOLUME_FLATTEN, target, request_id, request);
  }

  // The operation, once it has ended.
  Operation Await(const std::string& id) {
    absl::Notification ended;
    const auto watcher = table_->Watch(id, [&](const Operation& operation) {
      if (operation.state() != Operation::RUNNING && !ended.HasBeenNotified()) ended.Notify();
    });
    if (table_->Get(id)->state() == Operation::RUNNING) ended.WaitForNotification();
    table_->Unwatch(watcher);
    return *table_->Get(id);
  }

  void AwaitPutAside() {
    while (!runner_->NeedsGoOn()) std::this_thread::yield();
  }

  testing::FakeClock clock_;
  std::unique_ptr<state::StateStore> state_;
  std::function<absl::StatusOr<OperationResult>(RunningOperation&)> job_ =
      [](RunningOperation& operation) -> absl::StatusOr<OperationResult> {
    v1::Volume volume;
    volume.set_id(operation.begun().target());
    return volume;
  };
  std::atomic<int> calls_ = 0;
  std::unique_ptr<OperationTable> table_;
  std::unique_ptr<JobRunner> runner_;
};

TEST_F(JobRunnerTest, AnOperationIsJournalledWithItsCallAndEndsWithItsResult) {
  const auto begun = Start("data");
  ASSERT_OK(begun);
  v1::Volume request;
  ASSERT_TRUE(begun->request().UnpackTo(&request));
  EXPECT_EQ(request.id(), "data");
  const Operation ended = Await(begun->id());
  EXPECT_EQ(ended.state(), Operation::SUCCEEDED);
  EXPECT_EQ(ended.volume().id(), "data");
}

TEST_F(JobRunnerTest, TheSameRequestAgainIsTheSameOperationAndRunsOnce) {
  const std::string id = Uuid::Random().ToString();
  ASSERT_OK(Start("data", id));
  Await(id);
  const auto again = Start("data", id);
  ASSERT_OK(again);
  EXPECT_EQ(again->id(), id);
  EXPECT_EQ(again->state(), Operation::SUCCEEDED);
  EXPECT_EQ(calls_, 1);
}

TEST_F(JobRunnerTest, ARequestIdIsNotUsedForAnotherCall) {
  const std::string id = Uuid::Random().ToString();
  ASSERT_OK(Start("data", id));
  EXPECT_THAT(Start("other", id), Fails(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED"));
}

TEST_F(JobRunnerTest, ARequestIdThatIsNoUuidIsRefusedBeforeAnythingIsJournalled) {
  EXPECT_EQ(Start("data", "first-try").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(table_->List("", 10)->empty());
}

TEST_F(JobRunnerTest, AJobThatFailsEndsItsOperation) {
  job_ = [](RunningOperation&) { return Error(absl::StatusCode::kNotFound, "GONE", "is gone"); };
  const Operation ended = Await(Start("data")->id());
  EXPECT_EQ(ended.state(), Operation::FAILED);
  EXPECT_EQ(ended.error().message(), "is gone");
}

TEST_F(JobRunnerTest, WhileCephIsAwayAJobWaitsAndIsCalledAgainWhenItsTimeHasCome) {
  ASSERT_OK(runner_->GoOn());
  job_ = [&](RunningOperation&) -> absl::StatusOr<OperationResult> {
    if (calls_ == 1) return kAway;
    return OperationResult();
  };
  const std::string id = Start("data")->id();
  AwaitPutAside();
  ASSERT_OK(runner_->GoOn());
  EXPECT_TRUE(runner_->NeedsGoOn()) << "its time has not come yet";
  clock_.Advance(absl::Seconds(1));
  ASSERT_OK(runner_->GoOn());
  EXPECT_EQ(Await(id).state(), Operation::SUCCEEDED);
  EXPECT_EQ(calls_, 2);
}

TEST_F(JobRunnerTest, AJobThatWaitsForCephIsCalledAtOnceWhenItIsCancelled) {
  ASSERT_OK(runner_->GoOn());
  job_ = [&](RunningOperation& operation) -> absl::StatusOr<OperationResult> {
    RETURN_IF_ERROR(operation.CheckGoesOn());
    return kAway;
  };
  const std::string id = Start("data")->id();
  AwaitPutAside();
  ASSERT_OK(table_->Cancel(id));
  ASSERT_OK(runner_->GoOn());
  EXPECT_EQ(Await(id).state(), Operation::CANCELLED);
}

TEST_F(JobRunnerTest, WhatAStopOfTheAgentCutOffGoesOnAtItsNextStart) {
  absl::Notification at_work;
  job_ = [&](RunningOperation& operation) -> absl::StatusOr<OperationResult> {
    at_work.Notify();
    while (operation.CheckGoesOn().ok()) std::this_thread::yield();
    return operation.CheckGoesOn();
  };
  const std::string id = Start("data")->id();
  at_work.WaitForNotification();
  runner_->Stop();
  EXPECT_EQ((*state_->GetOperation(id))->state(), Operation::RUNNING);

  StartAgent();
  job_ = [](RunningOperation& operation) -> absl::StatusOr<OperationResult> {
    v1::Volume asked;
    operation.begun().request().UnpackTo(&asked);
    return asked;
  };
  ASSERT_OK(runner_->GoOn());
  EXPECT_EQ(Await(id).volume().id(), "data");
}

TEST_F(JobRunnerTest, AnOperationOfAKindThatIsNotKnownHereFails) {
  Operation strange;
  strange.set_kind(static_cast<Operation::Kind>(99));
  const std::string id = (*table_->Begin(strange))->id();
  StartAgent();
  ASSERT_OK(runner_->GoOn());
  EXPECT_EQ(Await(id).state(), Operation::FAILED);
}

}  // namespace
}  // namespace hvagent::operations
