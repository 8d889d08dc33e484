#include "domain_xml/cpu_set.h"

#include "gtest/gtest.h"

namespace hvagent::domain_xml {
namespace {

TEST(CpuSetTest, EverySetHasOneForm) {
  const struct {
    const char* text;
    const char* form;
  } kCases[] = {{"0", "0"},         {"3,2,1,0", "0-3"}, {"0-1,1-2", "0-2"},
                {"8,0-3", "0-3,8"}, {"7-7", "7"},       {"4095", "4095"}};
  for (const auto& c : kCases) {
    const auto set = ParseCpuSet(c.text);
    ASSERT_TRUE(set.ok()) << c.text;
    EXPECT_EQ(FormatCpuSet(*set), c.form);
    EXPECT_EQ(*ParseCpuSet(FormatCpuSet(*set)), *set);
  }
  EXPECT_EQ(FormatCpuSet({}), "");
}

TEST(CpuSetTest, RefusesWhatIsNoSet) {
  for (const char* text : {"", ",", "0,", "a", "-1", "1-", "3-1", "1-2-3", " 1", "+1", "^1", "4096",
                           "0-4096", "99999999999"}) {
    EXPECT_EQ(ParseCpuSet(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace hvagent::domain_xml
