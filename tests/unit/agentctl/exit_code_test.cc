#include "agentctl/exit_code.h"

#include <gtest/gtest.h>

namespace hvagent::agentctl {
namespace {

constexpr auto kDone = ExitCode::kDone;
constexpr auto kFailed = ExitCode::kFailed;
constexpr auto kGoesOn = ExitCode::kGoesOnThere;

TEST(ExitCodeTest, NumbersAreThoseThatScriptsKnow) {
  EXPECT_EQ(static_cast<int>(ExitCode::kDone), 0);
  EXPECT_EQ(static_cast<int>(ExitCode::kFailed), 1);
  EXPECT_EQ(static_cast<int>(ExitCode::kUsage), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::kSomeFailed), 3);
  EXPECT_EQ(static_cast<int>(ExitCode::kNotAsItShouldBe), 4);
  EXPECT_EQ(static_cast<int>(ExitCode::kInDoubt), 5);
  EXPECT_EQ(static_cast<int>(ExitCode::kGoesOnThere), 6);
}

TEST(ExitCodeTest, NothingToDoIsDone) { EXPECT_EQ(Combine({}), kDone); }

TEST(ExitCodeTest, AllFailedIsFailedAndSomeFailedIsThree) {
  EXPECT_EQ(Combine({kDone, kDone}), kDone);
  EXPECT_EQ(Combine({kFailed, kFailed}), kFailed);
  EXPECT_EQ(Combine({kDone, kFailed}), ExitCode::kSomeFailed);
  EXPECT_EQ(Combine({kGoesOn, kFailed}), ExitCode::kSomeFailed);
}

TEST(ExitCodeTest, TimedOutIsNotFailed) { EXPECT_EQ(Combine({kDone, kGoesOn}), kGoesOn); }

TEST(ExitCodeTest, DoubtWinsThenMismatchThenPartialFailure) {
  const std::vector<ExitCode> all = {kDone, kGoesOn, kFailed, ExitCode::kNotAsItShouldBe,
                                     ExitCode::kInDoubt};
  EXPECT_EQ(Combine(all), ExitCode::kInDoubt);
  EXPECT_EQ(Combine({all.begin(), all.end() - 1}), ExitCode::kNotAsItShouldBe);
  EXPECT_EQ(Combine({all.begin(), all.end() - 2}), ExitCode::kSomeFailed);
}

}  // namespace
}  // namespace hvagent::agentctl
