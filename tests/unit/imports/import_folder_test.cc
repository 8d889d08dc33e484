#include "agent/imports/import_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::imports {
namespace {

using ::hvagent::testing::Fails;

class ImportFolderTest : public ::testing::Test {
 protected:
  ImportFolderTest() {
    EXPECT_NE(mkdtemp(root_.data()), nullptr);
    folder_ = root_ + "/import";
    std::filesystem::create_directories(folder_ + "/below");
    std::ofstream(folder_ + "/disk.raw") << "disk";
    std::ofstream(folder_ + "/below/disk.raw") << "deep";
    std::ofstream(root_ + "/secret") << "secret";
  }
  ~ImportFolderTest() override { std::filesystem::remove_all(root_); }

  std::string Read(absl::string_view path) {
    const auto file = OpenToImport(folder_, path);
    if (!file.ok()) return std::string(file.status().message());
    char bytes[16] = {};
    const ssize_t count = read(file->get(), bytes, sizeof(bytes));
    return std::string(bytes, static_cast<size_t>(std::max<ssize_t>(count, 0)));
  }
  std::string FieldOf(absl::string_view path) {
    return ErrorField(OpenToImport(folder_, path).status()).value_or("none");
  }

  std::string root_ = "/tmp/hvagent-test.XXXXXX";
  std::string folder_;
};

TEST_F(ImportFolderTest, FilesBelowItAreOpenedByEitherName) {
  EXPECT_EQ(Read("disk.raw"), "disk");
  EXPECT_EQ(Read("below/disk.raw"), "deep");
  EXPECT_EQ(Read(folder_ + "/below/disk.raw"), "deep");
  EXPECT_EQ(Read("below/../disk.raw"), "disk");
}

TEST_F(ImportFolderTest, NothingOutsideOfItIsOpened) {
  for (const std::string& path :
       {std::string("../secret"), root_ + "/secret", folder_ + "/../secret",
        std::string("below/../../secret"), std::string("/etc/passwd"), folder_ + "x/disk.raw",
        folder_, std::string(), std::string("disk.raw\0x", 10)}) {
    EXPECT_EQ(FieldOf(path), "path") << path;
  }
}

TEST_F(ImportFolderTest, NoSymbolicLinkIsFollowedNotEvenToAFileInIt) {
  std::filesystem::create_symlink(root_ + "/secret", folder_ + "/link");
  std::filesystem::create_symlink(folder_ + "/disk.raw", folder_ + "/inside");
  std::filesystem::create_directory_symlink(root_, folder_ + "/up");
  for (const char* path : {"link", "inside", "up/secret"}) EXPECT_EQ(FieldOf(path), "path") << path;
}

TEST_F(ImportFolderTest, OnlyRegularFilesAreTaken) {
  ASSERT_EQ(mkfifo((folder_ + "/pipe").c_str(), 0600), 0);
  EXPECT_EQ(FieldOf("pipe"), "path");
  EXPECT_EQ(FieldOf("below"), "path");
}

TEST_F(ImportFolderTest, WhatIsNotThereIsNamed) {
  EXPECT_THAT(OpenToImport(folder_, "none.raw"),
              Fails(absl::StatusCode::kNotFound, "FILE_NOT_FOUND"));
}

TEST_F(ImportFolderTest, WithoutAFolderNothingIsOpened) {
  EXPECT_THAT(OpenToImport("", folder_ + "/disk.raw"),
              Fails(absl::StatusCode::kFailedPrecondition, "NO_IMPORT_FOLDER"));
}

}  // namespace
}  // namespace hvagent::imports
