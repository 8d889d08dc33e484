#include "secrets/key_source.h"

#include <sys/fsuid.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "secrets/secret_file.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/secrets/temp_folder.h"

namespace hvagent::secrets {
namespace {

using hvagent::testing::Fails;
using ::testing::HasSubstr;
using ::testing::Not;

// Made by `ceph-authtool --gen-print-key` for this test; no cluster knows it.
constexpr char kKey[] = "AQBf+wJrXmZAFxAAx7NPkAzxDRwY+XABrA7IPg==";
constexpr char kOtherKey[] = "AQBf+wJrXmZAFxAAx7NPkAzxDRwY+XABrA7IPQ==";
constexpr char kEntity[] = "client.cinder";

std::string Section(absl::string_view entity, absl::string_view key) {
  return absl::StrCat("[", entity, "]\n\tkey = ", key, "\n\tcaps mon = \"profile rbd\"\n");
}

void ExpectKey(const absl::StatusOr<CephKey>& key) {
  ASSERT_OK(key);
  EXPECT_TRUE(key->value().Equals(ParseCephKey(kKey)->value()));
}

// What went wrong, which names the file and does not quote it.
std::string Problem(const absl::Status& status, absl::string_view path) {
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  EXPECT_THAT(status.ToString(), Not(HasSubstr(absl::string_view(kKey).substr(0, 8))));
  return absl::StrCat(absl::StatusCodeToString(status.code()), " ",
                      ErrorReason(status).value_or("none"));
}

std::string ProblemOf(const std::string& path) {
  return Problem(ReadKeyFile(path, kEntity).status(), path);
}

TEST(ReadKeyFileTest, FindsTheEntityAmongSeveral) {
  const TempFolder folder;
  ExpectKey(ReadKeyFile(
      folder.Write("keyring", absl::StrCat(Section("client.cinder-backup", kOtherKey),
                                           Section(kEntity, kKey), Section("mon.", kOtherKey))),
      kEntity));
}

TEST(ReadKeyFileTest, TakesABareKey) {
  const TempFolder folder;
  ExpectKey(ReadKeyFile(folder.Write("key", kKey), kEntity));
  ExpectKey(ReadKeyFile(folder.Write("key", absl::StrCat(kKey, "\n")), kEntity));
}

TEST(ReadKeyFileTest, AKeyringOfOthersIsNotTakenForTheEntitys) {
  const TempFolder folder;
  EXPECT_EQ(ProblemOf(folder.Write("keyring", Section("client.glance", kKey))),
            "NOT_FOUND ENTITY_NOT_IN_KEYRING");
}

TEST(ReadKeyFileTest, WhatIsNoKeyIsRefused) {
  const TempFolder folder;
  EXPECT_EQ(ProblemOf(folder.Write("key", "")), "INVALID_ARGUMENT CEPH_KEY_MALFORMED");
  EXPECT_EQ(ProblemOf(folder.Write("key", absl::StrCat("key = ", kKey))),
            "INVALID_ARGUMENT CEPH_KEY_MALFORMED");
  EXPECT_EQ(ProblemOf(folder.Write("key", absl::StrCat(kKey, "\n", kOtherKey))),
            "INVALID_ARGUMENT CEPH_KEY_MALFORMED");
  EXPECT_EQ(ProblemOf(folder.Write("key", absl::StrCat(kKey, "\n", Section(kEntity, kKey)))),
            "INVALID_ARGUMENT KEYRING_MALFORMED");
}

TEST(ReadKeyFileTest, AFileThatIsNotThereIsNamed) {
  EXPECT_EQ(ProblemOf("/no/such/keyring"), "NOT_FOUND KEY_FILE");
}

TEST(ReadKeyFileTest, ARelativePathIsRefused) {
  EXPECT_EQ(ProblemOf("keyring"), "INVALID_ARGUMENT KEY_FILE");
  EXPECT_EQ(ProblemOf(""), "INVALID_ARGUMENT KEY_FILE");
}

TEST(ReadKeyFileTest, AFileThatMayNotBeReadIsNamed) {
  const TempFolder folder;
  const std::string path = folder.Write("keyring", Section(kEntity, kKey), 0);
  setfsuid(65534);  // root may read everything
  EXPECT_EQ(ProblemOf(path), "PERMISSION_DENIED KEY_FILE");
  setfsuid(geteuid());
}

TEST(ReadKeyFileTest, NeitherAFifoNorADeviceNorAFolderIsWaitedFor) {
  const TempFolder folder;
  EXPECT_EQ(ProblemOf(folder.MakeFifo("fifo")), "INVALID_ARGUMENT KEY_FILE");
  EXPECT_EQ(ProblemOf("/dev/zero"), "INVALID_ARGUMENT KEY_FILE");
  EXPECT_EQ(ProblemOf(folder.path()), "INVALID_ARGUMENT KEY_FILE");
}

TEST(ReadKeyFileTest, AHugeFileIsNotReadWhole) {
  const TempFolder folder;
  const std::string path = folder.Write("keyring", Section(kEntity, kKey));
  std::filesystem::resize_file(path, uint64_t{1} << 40);
  EXPECT_EQ(ProblemOf(path), "INVALID_ARGUMENT KEY_FILE");
}

TEST(ReadKeyFileTest, AKeyringOfTheGreatestLengthIsRead) {
  const TempFolder folder;
  std::string text = Section(kEntity, kKey);
  text.resize(kMaxSecretFile, '\n');
  ExpectKey(ReadKeyFile(folder.Write("keyring", text), kEntity));
  EXPECT_EQ(ProblemOf(folder.Write("keyring", text + "\n")), "INVALID_ARGUMENT KEY_FILE");
}

// Sets $CREDENTIALS_DIRECTORY, as systemd does for a unit with LoadCredential=.
class ReadKeyCredentialTest : public ::testing::Test {
 protected:
  ReadKeyCredentialTest() { setenv("CREDENTIALS_DIRECTORY", folder_.path().c_str(), 1); }
  ~ReadKeyCredentialTest() override { unsetenv("CREDENTIALS_DIRECTORY"); }

  const TempFolder folder_;
};

TEST_F(ReadKeyCredentialTest, ReadsAKeyringOrABareKey) {
  folder_.Write("cinder-keyring", Section(kEntity, kKey), 0400);
  folder_.Write("cinder-key", kKey, 0400);
  ExpectKey(ReadKeyCredential("cinder-keyring", kEntity));
  ExpectKey(ReadKeyCredential("cinder-key", kEntity));
}

TEST_F(ReadKeyCredentialTest, ACredentialThatIsNotThereIsNotFound) {
  EXPECT_EQ(Problem(ReadKeyCredential("cinder", kEntity).status(), folder_.file("cinder")),
            "NOT_FOUND KEY_FILE");
}

TEST_F(ReadKeyCredentialTest, ANameDoesNotLeadOutOfTheFolder) {
  folder_.Write("key", kKey);
  for (const char* name : {"../key", "/etc/ceph/keyring", "", ".", ".."}) {
    EXPECT_THAT(ReadKeyCredential(name, kEntity),
                Fails(absl::StatusCode::kInvalidArgument, "CREDENTIAL_NAME"));
  }
}

TEST_F(ReadKeyCredentialTest, WithoutCredentialsItSaysHowToGiveThem) {
  for (const char* directory : {static_cast<const char*>(nullptr), ""}) {
    directory == nullptr ? unsetenv("CREDENTIALS_DIRECTORY")
                         : setenv("CREDENTIALS_DIRECTORY", directory, 1);
    const auto key = ReadKeyCredential("cinder", kEntity);
    EXPECT_THAT(key, Fails(absl::StatusCode::kFailedPrecondition, "NO_CREDENTIALS"));
    EXPECT_THAT(std::string(key.status().message()), HasSubstr("LoadCredential=cinder"));
  }
}

}  // namespace
}  // namespace hvagent::secrets
