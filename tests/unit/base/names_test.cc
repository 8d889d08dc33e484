#include "base/names.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hvagent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(NamesTest, AcceptsWhatOperatorsUse) {
  EXPECT_TRUE(CheckVmName("instance-00000028").ok());
  EXPECT_TRUE(CheckRbdName("65bd684f-0414-4b58-9924-af681091be09_disk.config").ok());
  EXPECT_TRUE(CheckClientEntity("client.cinder-backup").ok());
  EXPECT_TRUE(CheckClientEntity("client.vm.g1").ok());
}

TEST(NamesTest, RefusesSeparatorsControlCharactersAndLength) {
  for (const std::string& name :
       {std::string("a/b"), std::string("a@b"), std::string("a:b"), std::string("a\\b"),
        std::string("a\nb"), std::string("a\0b", 3), std::string(""), std::string("-a"),
        std::string(".."), std::string(300, 'a'), std::string("\xc3\xa9")}) {
    EXPECT_FALSE(CheckVmName(name).ok()) << name;
    EXPECT_FALSE(CheckRbdName(name).ok()) << name;
  }
}

TEST(NamesTest, MessageQuotesALongNameCutAndEscaped) {
  const absl::Status status = CheckVmName(std::string(300, '\n'));
  EXPECT_THAT(std::string(status.message()), HasSubstr("300 bytes"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
}

TEST(NamesTest, EntityMustBeAClient) {
  EXPECT_FALSE(CheckClientEntity("cinder").ok());
  EXPECT_FALSE(CheckClientEntity("osd.0").ok());
  EXPECT_FALSE(CheckClientEntity("client.").ok());
}

}  // namespace
}  // namespace hvagent
