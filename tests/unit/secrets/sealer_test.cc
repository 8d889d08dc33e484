#include "secrets/sealer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/secrets/temp_folder.h"

namespace hvagent::secrets {
namespace {

using hvagent::testing::Fails;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr absl::string_view kPlain = "a cephx key, header and all";
constexpr char kContext[] = "client.cinder";
const std::string kKeyText(64, '5');

auto Broken() { return Fails(absl::StatusCode::kDataLoss, "SEAL_BROKEN"); }

TEST(SealerTest, OpensWhatItSealed) {
  const Sealer sealer = Sealer::Ephemeral();
  const std::string large(100'000, 'x');
  for (absl::string_view plain : {absl::string_view(""), kPlain, absl::string_view(large)}) {
    const auto opened = sealer.Open(sealer.Seal(SecretBytes(plain), kContext), kContext);
    ASSERT_OK(opened);
    EXPECT_EQ(opened->Reveal(), plain);
  }
}

// Test case 13 of the GCM specification: a key and a nonce of zeros, neither plaintext nor context.
TEST(SealerTest, IsAes256Gcm) {
  const Sealer sealer = Sealer::FromBytes(SecretBytes(std::string(32, '\0')));
  const std::string sealed =
      std::string(12, '\0') + absl::HexStringToBytes("530f8afbc74536b9a963b4f1c4cb738b");
  const auto opened = sealer.Open(sealed, "");
  ASSERT_OK(opened);
  EXPECT_TRUE(opened->empty());
}

TEST(SealerTest, WhatIsSealedDoesNotShowThePlaintextAndIsNeverTheSame) {
  const Sealer sealer = Sealer::Ephemeral();
  const std::string once = sealer.Seal(SecretBytes(kPlain), kContext);
  EXPECT_THAT(once, Not(HasSubstr(kPlain.substr(0, 4))));
  EXPECT_EQ(once.size(), 12 + kPlain.size() + 16);
  const std::string again = sealer.Seal(SecretBytes(kPlain), kContext);
  EXPECT_NE(once.substr(0, 12), again.substr(0, 12)) << "a nonce must not come twice";
  EXPECT_NE(once.substr(12), again.substr(12));
}

TEST(SealerTest, DoesNotOpenForAnotherContext) {
  const Sealer sealer = Sealer::Ephemeral();
  const std::string sealed = sealer.Seal(SecretBytes(kPlain), kContext);
  const auto opened = sealer.Open(sealed, "client.glance");
  EXPECT_THAT(opened, Broken());
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("client.glance"));
  EXPECT_THAT(sealer.Open(sealed, ""), Broken());
}

TEST(SealerTest, DoesNotOpenUnderAnotherKey) {
  const std::string sealed = Sealer::Ephemeral().Seal(SecretBytes(kPlain), kContext);
  EXPECT_THAT(Sealer::Ephemeral().Open(sealed, kContext), Broken());
}

TEST(SealerTest, DoesNotOpenWhatIsCutAtAnyPlace) {
  const Sealer sealer = Sealer::Ephemeral();
  const std::string sealed = sealer.Seal(SecretBytes(kPlain), kContext);
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_THAT(sealer.Open(sealed.substr(0, size), kContext), Broken()) << size;
  }
  EXPECT_THAT(sealer.Open(sealed + "x", kContext), Broken());
}

TEST(SealerTest, DoesNotOpenWhatIsDamagedAtAnyPlace) {
  const Sealer sealer = Sealer::Ephemeral();
  const std::string sealed = sealer.Seal(SecretBytes(kPlain), kContext);
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string damaged = sealed;
    damaged[i] ^= 1;
    EXPECT_THAT(sealer.Open(damaged, kContext), Broken()) << i;
  }
}

TEST(SealerFromFileTest, MakesAKeyThatOnlyItsOwnerMayReadAndUsesItAgain) {
  const TempFolder folder;
  const mode_t old_mask = umask(0);
  const auto made = Sealer::FromFile(folder.file("sealing.key"), /*create=*/true);
  umask(old_mask);
  ASSERT_OK(made);
  struct stat about = {};
  ASSERT_EQ(stat(folder.file("sealing.key").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0600u);
  EXPECT_THAT(folder.Read("sealing.key"), MatchesRegex("[0-9a-f]{64}\n"));
  EXPECT_EQ(folder.count(), 1u) << "no draft is left";

  const std::string sealed = made->Seal(SecretBytes(kPlain), kContext);
  for (bool create : {true, false}) {
    const auto again = Sealer::FromFile(folder.file("sealing.key"), create);
    ASSERT_OK(again);
    EXPECT_OK(again->Open(sealed, kContext));
  }
}

TEST(SealerFromFileTest, EachKeyThatIsMadeIsAnother) {
  const TempFolder folder;
  ASSERT_OK(Sealer::FromFile(folder.file("a"), true));
  ASSERT_OK(Sealer::FromFile(folder.file("b"), true));
  EXPECT_NE(folder.Read("a"), folder.Read("b"));
}

TEST(SealerFromFileTest, OfManyWhoMakeItAtOnceAllUseTheSame) {
  const TempFolder folder;
  std::vector<std::string> sealed(8);
  std::vector<std::thread> makers;
  for (std::string& text : sealed) {
    makers.emplace_back([&] {
      const auto sealer = Sealer::FromFile(folder.file("sealing.key"), true);
      if (sealer.ok()) text = sealer->Seal(SecretBytes(kPlain), kContext);
    });
  }
  for (std::thread& maker : makers) maker.join();
  const auto sealer = Sealer::FromFile(folder.file("sealing.key"), false);
  ASSERT_OK(sealer);
  for (const std::string& text : sealed) EXPECT_OK(sealer->Open(text, kContext));
  EXPECT_EQ(folder.count(), 1u);
}

TEST(SealerFromFileTest, AMissingKeyIsNotMadeUnlessTold) {
  const TempFolder folder;
  EXPECT_TRUE(absl::IsNotFound(Sealer::FromFile(folder.file("key"), false).status()));
  EXPECT_EQ(folder.count(), 0u);
}

TEST(SealerFromFileTest, AMissingFolderIsNamed) {
  const auto sealer = Sealer::FromFile("/no/such/folder/sealing.key", true);
  EXPECT_TRUE(absl::IsNotFound(sealer.status())) << sealer.status();
  EXPECT_THAT(std::string(sealer.status().message()), HasSubstr("/no/such/folder/sealing.key"));
}

TEST(SealerFromFileTest, AKeyThatOthersMayReadIsRefused) {
  const TempFolder folder;
  for (mode_t mode : {0604, 0640, 0620, 0601}) {
    const auto sealer = Sealer::FromFile(folder.Write("key", kKeyText, mode), true);
    EXPECT_THAT(sealer, Fails(absl::StatusCode::kFailedPrecondition, "SEALING_KEY_EXPOSED"));
  }
  EXPECT_OK(Sealer::FromFile(folder.Write("key", kKeyText, 0400), true));
}

TEST(SealerFromFileTest, TakesWhatOpensslRandPrints) {
  const TempFolder folder;
  EXPECT_OK(Sealer::FromFile(folder.Write("a", kKeyText + "\n"), false));
  EXPECT_OK(Sealer::FromFile(folder.Write("b", std::string(64, 'F')), false));
}

TEST(SealerFromFileTest, WhatIsNoKeyIsRefusedUnquotedAndLeftAsItIs) {
  const TempFolder folder;
  for (const std::string& text : {std::string(), std::string(63, '5'), std::string(65, '5'),
                                  "g" + std::string(63, '5'), std::string(32, '\0')}) {
    const auto sealer = Sealer::FromFile(folder.Write("key", text), /*create=*/true);
    EXPECT_THAT(sealer, Fails(absl::StatusCode::kInvalidArgument, "SEALING_KEY_MALFORMED"));
    EXPECT_THAT(sealer.status().ToString(), Not(HasSubstr("5555")));
    EXPECT_EQ(folder.Read("key"), text);
  }
}

}  // namespace
}  // namespace hvagent::secrets
