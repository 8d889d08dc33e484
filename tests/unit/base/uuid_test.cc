#include "base/uuid.h"

#include "gtest/gtest.h"

namespace hvagent {
namespace {

TEST(UuidTest, ParsesEitherCaseAndPrintsLowerCase) {
  auto uuid = Uuid::Parse("4810C760-DC42-4e5f-9D41-7346db7d7da2");
  ASSERT_TRUE(uuid.ok());
  EXPECT_EQ(uuid->ToString(), "4810c760-dc42-4e5f-9d41-7346db7d7da2");
}

TEST(UuidTest, RefusesEverythingElse) {
  for (const char* text :
       {"", "4810c760", "{4810c760-dc42-4e5f-9d41-7346db7d7da2}",
        "4810c760dc424e5f9d417346db7d7da2xxxx", "4810c760-dc42-4e5f-9d41-7346db7d7dag",
        "4810c760-dc42-4e5f-9d41-7346db7d7da2 "}) {
    EXPECT_EQ(Uuid::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(UuidTest, RandomOnesDifferAndAreVersion4) {
  const Uuid a = Uuid::Random();
  EXPECT_NE(a, Uuid::Random());
  EXPECT_EQ(a.ToString()[14], '4');
}

}  // namespace
}  // namespace hvagent
