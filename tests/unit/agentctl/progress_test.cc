#include "agentctl/progress.h"

#include <gtest/gtest.h>

#include <sstream>

#include "agentctl/views.h"

namespace hvagent::agentctl {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(ProgressTest, LineShowsShareRateAndWhatIsLeft) {
  EXPECT_EQ(ProgressLine("jammy", 512 * kMiB, 1024 * kMiB, 128 * kMiB),
            "jammy  [===============>              ]  50%  512 MiB of 1 GiB  128 MiB/s  4s left");
}

TEST(ProgressTest, UnknownTotalShowsNoBar) {
  EXPECT_EQ(ProgressLine("jammy", 10 * kMiB, 0, 10 * kMiB), "jammy  10 MiB  10 MiB/s");
}

TEST(ProgressTest, UnknownRateIsLeftOut) {
  EXPECT_EQ(ProgressLine("jammy", 512 * kMiB, 1024 * kMiB, 0),
            "jammy  [===============>              ]  50%  512 MiB of 1 GiB");
}

TEST(ProgressTest, FullBarHasNothingLeft) {
  EXPECT_EQ(ProgressLine("x", kMiB, kMiB, kMiB),
            "x  [==============================] 100%  1 MiB of 1 MiB  1 MiB/s");
}

TEST(ProgressTest, WritesNothingWithoutATerminal) {
  std::ostringstream out;
  {
    Progress progress(out, /*is_terminal=*/false, "jammy");
    progress.Update(1, 2);
  }
  EXPECT_EQ(out.str(), "");
}

TEST(ProgressTest, TakesItsLineAwayAtTheEnd) {
  std::ostringstream out;
  {
    Progress progress(out, /*is_terminal=*/true, "jammy");
    progress.Update(1, 2);
  }
  EXPECT_TRUE(out.str().ends_with("\r\x1b[K"));
  EXPECT_NE(out.str().find("jammy"), std::string::npos);
}

TEST(ViewsTest, SizesAndAgesReadWell) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(kMiB * 1024), "1 GiB");
  EXPECT_EQ(DurationText(absl::Seconds(59)), "59s");
  EXPECT_EQ(DurationText(absl::Minutes(3) + absl::Seconds(5)), "3m05s");
  EXPECT_EQ(DurationText(absl::Hours(76)), "3d04h");
}

}  // namespace
}  // namespace hvagent::agentctl
