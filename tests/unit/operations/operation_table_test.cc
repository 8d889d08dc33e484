#include "agent/operations/operation_table.h"

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"

namespace hvagent::operations {
namespace {

using ::hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using v1::Operation;

class OperationTableTest : public ::testing::Test {
 protected:
  OperationTableTest() : state_(*state::StateStore::Open(":memory:")) {}

  std::shared_ptr<RunningOperation> Begin(const std::string& target) {
    Operation wish;
    wish.set_kind(Operation::IMAGE_IMPORT);
    wish.set_target(target);
    wish.set_bytes_total(100);
    auto operation = table_.Begin(wish);
    EXPECT_OK(operation);
    return *std::move(operation);
  }
  // What the journal holds, whatever the table says.
  Operation::State Journalled(const std::string& id) {
    return (*state_->GetOperation(id))->state();
  }

  std::unique_ptr<state::StateStore> state_;
  OperationTable table_{*state_, SystemClock()};
};

TEST_F(OperationTableTest, IsJournalledAsRunningFromTheBeginning) {
  const auto operation = Begin("debian");
  EXPECT_EQ(Journalled(operation->id()), Operation::RUNNING);
  EXPECT_EQ((*state_->GetOperation(operation->id()))->target(), "debian");
}

TEST_F(OperationTableTest, ItsEndIsJournalledBeforeAnybodyIsTold) {
  const auto operation = Begin("debian");
  std::vector<Operation::State> journalled_when_told;
  table_.Watch(operation->id(), [&](const Operation& told) {
    if (told.state() != Operation::RUNNING) {
      journalled_when_told.push_back(Journalled(told.id()));
    }
  });
  ASSERT_OK(operation->Finish(v1::Image()));
  EXPECT_THAT(journalled_when_told, ElementsAre(Operation::SUCCEEDED));
}

TEST_F(OperationTableTest, WatchersSeeProgressAndTheResult) {
  const auto operation = Begin("debian");
  std::vector<uint64_t> progress;
  std::string result;
  table_.Watch(operation->id(), [&](const Operation& told) {
    progress.push_back(told.bytes_done());
    result = told.image().id();
  });
  operation->SetProgress(40);
  operation->SetProgress(100);
  v1::Image image;
  image.set_id("debian");
  ASSERT_OK(operation->Finish(image));
  EXPECT_THAT(progress, ElementsAre(40, 100, 100));
  EXPECT_EQ(result, "debian");
}

TEST_F(OperationTableTest, AWatcherHearsOnlyOfItsOwnAndOnlyUntilItLeaves) {
  const auto watched = Begin("debian");
  const auto other = Begin("fedora");
  int heard = 0;
  const auto watcher = table_.Watch(watched->id(), [&](const Operation&) { ++heard; });
  other->SetProgress(1);
  EXPECT_EQ(heard, 0);
  watched->SetProgress(1);
  EXPECT_EQ(heard, 1);
  table_.Unwatch(watcher);
  watched->SetProgress(2);
  EXPECT_EQ(heard, 1);
}

TEST_F(OperationTableTest, AnEndedOperationIsStillThereWithItsError) {
  const auto operation = Begin("debian");
  ASSERT_OK(operation->Finish(Error(absl::StatusCode::kInvalidArgument, "DIGEST_MISMATCH", "no")));
  const auto ended = table_.Get(operation->id());
  ASSERT_OK(ended);
  EXPECT_EQ(ended->state(), Operation::FAILED);
  EXPECT_EQ(ended->error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(ended->error().message(), "no");
  google::rpc::ErrorInfo info;
  ASSERT_EQ(ended->error().details_size(), 1);
  ASSERT_TRUE(ended->error().details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "DIGEST_MISMATCH");
}

TEST_F(OperationTableTest, AnUnknownOperationIsNotFound) {
  EXPECT_THAT(table_.Get("no-such-operation"),
              Fails(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND"));
  EXPECT_THAT(table_.Cancel("no-such-operation"),
              Fails(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND"));
}

TEST_F(OperationTableTest, CancelWakesTheJobOnceAndEndsNothingByItself) {
  const auto operation = Begin("debian");
  int woken = 0;
  operation->SetCancelCallback([&] { ++woken; });
  EXPECT_FALSE(operation->cancel_requested());
  const auto cancelled = table_.Cancel(operation->id());
  ASSERT_OK(cancelled);
  EXPECT_EQ(cancelled->state(), Operation::RUNNING) << "the job has to undo its work first";
  EXPECT_TRUE(operation->cancel_requested());
  ASSERT_OK(table_.Cancel(operation->id()));
  EXPECT_EQ(woken, 1);
  ASSERT_OK(operation->Finish(absl::CancelledError("by request")));
  EXPECT_EQ(Journalled(operation->id()), Operation::CANCELLED);
}

TEST_F(OperationTableTest, AJobThatIsCancelledBeforeItListensIsWokenAtOnce) {
  const auto operation = Begin("debian");
  ASSERT_OK(table_.Cancel(operation->id()));
  int woken = 0;
  operation->SetCancelCallback([&] { ++woken; });
  EXPECT_EQ(woken, 1);
}

TEST_F(OperationTableTest, CancellingAnEndedOperationLeavesItAsItIs) {
  const auto operation = Begin("debian");
  ASSERT_OK(operation->Finish(v1::Image()));
  const auto ended = table_.Cancel(operation->id());
  ASSERT_OK(ended);
  EXPECT_EQ(ended->state(), Operation::SUCCEEDED);
}

TEST_F(OperationTableTest, ListShowsTheProgressOfWhatRunsAndTheNewestFirst) {
  const auto first = Begin("debian");
  ASSERT_OK(first->Finish(v1::Image()));
  const auto second = Begin("fedora");
  second->SetProgress(7);
  const auto listed = table_.List("", 10);
  ASSERT_OK(listed);
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ((*listed)[0].id(), second->id());
  EXPECT_EQ((*listed)[0].bytes_done(), 7u);
  EXPECT_EQ((*listed)[1].state(), Operation::SUCCEEDED);
}

TEST_F(OperationTableTest, WhatARestartCutOffIsAdoptedAndEndsAsAnyOther) {
  const std::string id = Begin("debian")->id();
  OperationTable restarted(*state_, SystemClock());
  EXPECT_TRUE(restarted.NeedsAdoption());
  const auto adopted = restarted.Adopt();
  ASSERT_OK(adopted);
  ASSERT_EQ(adopted->size(), 1u);
  EXPECT_EQ(adopted->front()->id(), id);
  EXPECT_EQ(adopted->front()->begun().target(), "debian");
  EXPECT_FALSE(restarted.NeedsAdoption());
  ASSERT_OK(adopted->front()->Finish(v1::Image()));
  EXPECT_EQ(Journalled(id), Operation::SUCCEEDED);
}

TEST_F(OperationTableTest, WhatRunsIsNotAdopted) {
  const auto operation = Begin("debian");
  const auto adopted = table_.Adopt();
  ASSERT_OK(adopted);
  EXPECT_THAT(*adopted, IsEmpty());
  EXPECT_EQ(Journalled(operation->id()), Operation::RUNNING);
}

TEST_F(OperationTableTest, WhatAJobLeavesToRecoveryIsAdoptedWithoutARestart) {
  ASSERT_OK(table_.Adopt());
  const auto operation = Begin("debian");
  operation->LeaveToRecovery();
  EXPECT_TRUE(table_.NeedsAdoption());
  EXPECT_EQ(Journalled(operation->id()), Operation::RUNNING);
  const auto adopted = table_.Adopt();
  ASSERT_OK(adopted);
  EXPECT_EQ(adopted->size(), 1u);
}

TEST_F(OperationTableTest, RateAndTheTimeThatIsLeftFollowFromTheLastSeconds) {
  testing::FakeClock clock;
  OperationTable table(*state_, clock);
  Operation wish;
  wish.set_bytes_total(1000);
  const auto operation = table.Begin(wish);
  ASSERT_OK(operation);
  (*operation)->SetProgress(0);
  EXPECT_EQ(table.Get((*operation)->id())->rate_bytes_per_s(), 0u) << "too early to tell";
  for (int second = 1; second <= 20; ++second) {
    clock.Advance(absl::Seconds(1));
    (*operation)->SetProgress(second <= 10 ? second : 10 + 20 * (second - 10));
  }
  const auto running = table.Get((*operation)->id());
  EXPECT_EQ(running->rate_bytes_per_s(), 20u) << "the slow start is over for ten seconds";
  EXPECT_EQ(running->remaining_s(), (1000u - 210u) / 20u + 1u);
  ASSERT_OK((*operation)->Finish(v1::Image()));
  EXPECT_EQ(table.Get((*operation)->id())->rate_bytes_per_s(), 0u);
}

}  // namespace
}  // namespace hvagent::operations
