#include "agent/operations/operation_tag.h"

#include <string>

#include "gtest/gtest.h"

namespace hvagent::operations {
namespace {

const std::string kOperation = "22222222-0414-4b58-9924-af681091be09";

TEST(OperationTagTest, IsReadAsItIsWritten) {
  const OperationTag tag{kOperation, "compute-1.example"};
  EXPECT_EQ(tag.ToString(), kOperation + "-compute-1.example");
  EXPECT_EQ(ParseOperationTag(tag.ToString()), tag);
}

TEST(OperationTagTest, OlderAgentsDidNotNameTheNode) {
  EXPECT_EQ(ParseOperationTag(kOperation), (OperationTag{kOperation, ""}));
}

TEST(OperationTagTest, NothingElseIsATag) {
  for (const std::string& text :
       {std::string(), std::string("1"), kOperation + "x", kOperation + "-", "x" + kOperation}) {
    EXPECT_FALSE(ParseOperationTag(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace hvagent::operations
