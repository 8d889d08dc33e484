#include "agent/reconcile/status_board.h"

#include <vector>

#include "base/error.h"
#include "gtest/gtest.h"

namespace hvagent::reconcile {
namespace {

class StatusBoardTest : public ::testing::Test {
 protected:
  Outcome Now(int64_t generation) {
    return {.generation = generation, .looked_at = SystemClock().Monotonic()};
  }
  StatusBoard::Done Record() {
    return [this](const absl::Status& status) { told_.push_back(status); };
  }

  const Uuid vm_ = Uuid::Random();
  VmFeed feed_;
  StatusBoard board_{SystemClock(), feed_};
  std::vector<absl::Status> told_;
};

TEST_F(StatusBoardTest, AWaiterIsToldOnceWhenTheVmConverges) {
  board_.Wait(vm_, 2, Record());
  Outcome outcome = Now(2);
  outcome.converged = true;
  board_.Publish(vm_, outcome);
  board_.Publish(vm_, outcome);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].ok());
}

TEST_F(StatusBoardTest, AnOlderGenerationOrAnEarlierLookTellsNothing) {
  Outcome early = Now(2);
  early.converged = true;
  board_.Wait(vm_, 2, Record());
  board_.Publish(vm_, early);
  Outcome old = Now(1);
  old.converged = true;
  board_.Publish(vm_, old);
  EXPECT_TRUE(told_.empty());
}

TEST_F(StatusBoardTest, OnlyAnErrorThatStaysEndsTheWait) {
  board_.Wait(vm_, 1, Record());
  Outcome outcome = Now(1);
  outcome.error = absl::UnavailableError("Ceph is away");
  board_.Publish(vm_, outcome);
  EXPECT_TRUE(told_.empty());
  outcome = Now(1);
  outcome.error = absl::NotFoundError("no such image");
  board_.Publish(vm_, outcome);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].code(), absl::StatusCode::kNotFound);
}

TEST_F(StatusBoardTest, ARemovedVmEndsTheWaitAndLeavesTheBoard) {
  board_.Wait(vm_, 7, Record());
  Outcome outcome = Now(7);
  outcome.removed = true;
  board_.Publish(vm_, outcome);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].ok());
  EXPECT_FALSE(board_.Get(vm_).has_value());
}

TEST_F(StatusBoardTest, SinceStaysWhileNothingChanges) {
  Outcome outcome = Now(1);
  outcome.error = Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "away");
  board_.Publish(vm_, outcome);
  const absl::Time since = board_.Get(vm_)->since;
  board_.Publish(vm_, outcome);
  EXPECT_EQ(board_.Get(vm_)->since, since);
}

TEST_F(StatusBoardTest, AWaiterThatStoppedIsNotTold) {
  const auto id = board_.Wait(vm_, 1, Record());
  EXPECT_TRUE(board_.StopWaiting(id));
  Outcome outcome = Now(1);
  outcome.converged = true;
  board_.Publish(vm_, outcome);
  EXPECT_TRUE(told_.empty());
  EXPECT_FALSE(board_.StopWaiting(id));
}

}  // namespace
}  // namespace hvagent::reconcile
