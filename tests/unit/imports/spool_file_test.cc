#include "agent/imports/spool_file.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::imports {
namespace {

using ::hvagent::testing::Fails;

class SpoolFileTest : public ::testing::Test {
 protected:
  SpoolFileTest() { EXPECT_NE(mkdtemp(root_.data()), nullptr); }
  ~SpoolFileTest() override { std::filesystem::remove_all(root_); }

  SpoolOptions Options() {
    return {.folder = root_ + "/spool", .max_size = MiB(2), .keep_free = Bytes(0)};
  }

  std::string root_ = "/tmp/hvagent-test.XXXXXX";
};

TEST_F(SpoolFileTest, KeepsWhatComesAndHasNoName) {
  auto file = SpoolFile::Make(Options(), 0);
  ASSERT_OK(file);
  ASSERT_OK(file->Append("one "));
  ASSERT_OK(file->Append("two"));
  char bytes[16] = {};
  EXPECT_EQ(pread(file->fd(), bytes, sizeof(bytes), 0), 7);
  EXPECT_EQ(std::string(bytes), "one two");
  EXPECT_EQ(file->size(), 7u);
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/spool"));
}

TEST_F(SpoolFileTest, WhatIsTooLargeIsRefusedBeforeItComesWhenItsSizeIsKnown) {
  EXPECT_THAT(SpoolFile::Make(Options(), MiB(2).count() + 1),
              Fails(absl::StatusCode::kResourceExhausted, "SPOOL_FULL"));
  EXPECT_OK(SpoolFile::Make(Options(), MiB(2).count()));
}

TEST_F(SpoolFileTest, WhatTurnsOutTooLargeIsRefusedThen) {
  auto file = SpoolFile::Make(Options(), 0);
  ASSERT_OK(file);
  const std::string megabyte(1 << 20, 'x');
  ASSERT_OK(file->Append(megabyte));
  ASSERT_OK(file->Append(megabyte));
  EXPECT_THAT(file->Append("x"), Fails(absl::StatusCode::kResourceExhausted, "SPOOL_FULL"));
}

TEST_F(SpoolFileTest, ADiskWithTooLittleLeftIsNotFilled) {
  SpoolOptions options = Options();
  options.keep_free = Bytes(uint64_t{1} << 60);
  EXPECT_THAT(SpoolFile::Make(options, 1),
              Fails(absl::StatusCode::kResourceExhausted, "SPOOL_FULL"));
}

TEST_F(SpoolFileTest, AFolderThatCannotBeUsedIsNamed) {
  SpoolOptions options = Options();
  options.folder = "/proc/spool";
  const auto file = SpoolFile::Make(options, 0);
  EXPECT_THAT(file, Fails(absl::StatusCode::kFailedPrecondition, "SPOOL_UNUSABLE"));
}

}  // namespace
}  // namespace hvagent::imports
