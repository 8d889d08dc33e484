#include "secrets/ceph_key.h"

#include <ostream>
#include <string>
#include <type_traits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hvagent::secrets {
namespace {

using testing::HasSubstr;
using testing::Not;

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <typename T>
concept Concatenable = requires(const T& value) {
  absl::StrCat(value);
};
static_assert(!Streamable<CephKey> && !Concatenable<CephKey>);
static_assert(!std::is_copy_constructible_v<CephKey> && !std::is_copy_assignable_v<CephKey>);

std::string LittleEndian(uint64_t number, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i)));
  return out;
}

std::string Raw(uint16_t type, uint16_t length, absl::string_view secret) {
  return absl::StrCat(LittleEndian(type, 2), LittleEndian(0x5a5b5c5d, 4), LittleEndian(7, 4),
                      LittleEndian(length, 2), secret);
}

constexpr absl::string_view kSecret16 = "canary-canary-16";
constexpr absl::string_view kSecret32 = "canary-canary-canary-canary---32";
const std::string kAesKey = absl::Base64Escape(Raw(1, 16, kSecret16));
const std::string kAes256kKey = absl::Base64Escape(Raw(2, 32, kSecret32));

TEST(ParseCephKeyTest, ReadsBothTypes) {
  const auto aes = ParseCephKey(kAesKey);
  ASSERT_TRUE(aes.ok()) << aes.status();
  EXPECT_EQ(aes->type(), CephKey::Type::kAes);
  EXPECT_EQ(aes->value().Reveal(), Raw(1, 16, kSecret16));

  const auto aes256k = ParseCephKey(kAes256kKey);
  ASSERT_TRUE(aes256k.ok()) << aes256k.status();
  EXPECT_EQ(aes256k->type(), CephKey::Type::kAes256k);
  EXPECT_EQ(aes256k->value().Reveal(), Raw(2, 32, kSecret32));
}

// Made by `ceph-authtool --gen-print-key` for this test; no cluster knows it.
TEST(ParseCephKeyTest, ReadsWhatCephPrints) {
  const auto key = ParseCephKey("AQBf+wJrXmZAFxAAx7NPkAzxDRwY+XABrA7IPg==");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->type(), CephKey::Type::kAes);
  EXPECT_EQ(key->value().size(), 28u);
  EXPECT_EQ(absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", key->create_time(), absl::UTCTimeZone()),
            "2026-11-22T14:25:35Z");
}

TEST(ParseCephKeyTest, TheTimeOfMakingIsUnsigned) {
  const auto key = ParseCephKey(absl::Base64Escape(
      absl::StrCat(LittleEndian(1, 2), LittleEndian(0xfffffffe, 4), LittleEndian(999'999'999, 4),
                   LittleEndian(16, 2), kSecret16)));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(absl::ToUnixSeconds(key->create_time()), 0xfffffffe);
}

TEST(CephKeyTest, ACloneIsTheSameKey) {
  const auto key = ParseCephKey(kAes256kKey);
  ASSERT_TRUE(key.ok()) << key.status();
  const CephKey clone = key->Clone();
  EXPECT_EQ(clone.type(), key->type());
  EXPECT_TRUE(clone.value().Equals(key->value()));
}

TEST(ParseCephKeyTest, IgnoresWhiteSpaceAround) {
  const auto key = ParseCephKey(absl::StrCat(" \t", kAesKey, " \r\n"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->value().Reveal(), Raw(1, 16, kSecret16));
}

struct BadKey {
  const char* name;
  std::string text;
  const char* problem;
};

class BadKeyTest : public testing::TestWithParam<BadKey> {};

TEST_P(BadKeyTest, IsRefusedWithoutBeingQuoted) {
  const auto key = ParseCephKey(GetParam().text);
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(key.status()), "CEPH_KEY_MALFORMED");
  const std::string message(key.status().message());
  EXPECT_THAT(message, HasSubstr(GetParam().problem));
  EXPECT_THAT(message, HasSubstr("ceph auth get-key"));
  EXPECT_THAT(message, Not(HasSubstr("canary")));
  if (GetParam().text.size() >= 8) {
    EXPECT_THAT(message, Not(HasSubstr(GetParam().text.substr(0, 8))));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, BadKeyTest,
    testing::Values(
        BadKey{"Empty", "", "is empty"},  //
        BadKey{"OnlySpace", " \n", "is empty"},
        BadKey{"DecodedBytes", Raw(1, 16, kSecret16), "not base64"},
        BadKey{"LineBreakInside", kAesKey.substr(0, 20) + "\n" + kAesKey.substr(20), "not base64"},
        BadKey{"UrlAlphabet", "AQB-" + kAesKey.substr(4), "not base64"},
        BadKey{"LastCharacterLost", kAesKey.substr(0, kAesKey.size() - 1), "not base64"},
        BadKey{"OnlyPadding", "====", "not base64"},
        BadKey{"KeyringLine", "key = " + kAesKey, "not base64"},
        BadKey{"Twice", absl::Base64Escape(kAesKey), "in base64 twice"},
        BadKey{"TwiceWithNewline", absl::Base64Escape(kAesKey + "\n"), "in base64 twice"},
        BadKey{"LastGroupLost", kAesKey.substr(0, kAesKey.size() - 4), "27 bytes"},
        BadKey{"OnlyHeader", absl::Base64Escape(Raw(1, 16, "")), "12 bytes"},
        BadKey{"HeaderCut", absl::Base64Escape(Raw(1, 16, "").substr(0, 11)), "too short"},
        BadKey{"BytesBehind", absl::Base64Escape(Raw(1, 16, kSecret32)), "44 bytes"},
        BadKey{"LengthOfOtherType", absl::Base64Escape(Raw(1, 32, kSecret32)), "44 bytes"},
        BadKey{"LengthLies", absl::Base64Escape(Raw(1, 17, kSecret16)), "another length"},
        BadKey{"TypeNone", absl::Base64Escape(Raw(0, 16, kSecret16)), "unknown type"},
        BadKey{"TypeUnknown", absl::Base64Escape(Raw(0x101, 16, kSecret16)), "unknown type"}),
    [](const auto& test) { return test.param.name; });

TEST(ParseKeyringTest, FindsExactlyTheEntity) {
  const std::string text =
      absl::StrCat("[client.cinder-backup]\n\tkey = ", kAes256kKey,
                   "\n[client.cinder]\n\tkey = ", kAesKey, "\n\tcaps mon = \"profile rbd\"\n");
  const auto cinder = ParseKeyring(text, "client.cinder");
  ASSERT_TRUE(cinder.ok()) << cinder.status();
  EXPECT_EQ(cinder->type(), CephKey::Type::kAes);
  const auto backup = ParseKeyring(text, "client.cinder-backup");
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_EQ(backup->type(), CephKey::Type::kAes256k);
}

// What Ceph's own parser takes besides the form that ceph-authtool writes.
TEST(ParseKeyringTest, ToleratesWhatCephTolerates) {
  for (const std::string& text : {
           absl::StrCat("# keys\r\n; more\r\n[client.cinder]\r\nkey=", kAesKey, "\r\n"),
           absl::StrCat("[ client.cinder ]\nkey = \"", kAesKey, "\" # the guests'"),
           absl::StrCat("[client.cinder]\ncaps mon = \"profile rbd, \\\n allow r\"\nkey = ",
                        kAesKey),
           absl::StrCat("[client.cinder]\nauid = 0\n[mon.]\nkey = ", kAes256kKey,
                        "\n[client.cinder]\nkey = ", kAesKey, "\n"),
       }) {
    const auto key = ParseKeyring(text, "client.cinder");
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ(key->value().Reveal(), Raw(1, 16, kSecret16));
  }
}

TEST(ParseKeyringTest, NamesTheEntitiesThatAreThere) {
  const std::string text =
      absl::StrCat("[client.glance]\nkey = ", kAesKey, "\n[client.admin]\nkey = ", kAesKey);
  const auto key = ParseKeyring(text, "client.cinder");
  EXPECT_EQ(key.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(key.status()), "ENTITY_NOT_IN_KEYRING");
  EXPECT_EQ(key.status().message(),
            "the keyring has no key of client.cinder; it has client.glance, client.admin");
}

TEST(ParseKeyringTest, NamesAFewOfManyEntities) {
  std::string text;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&text, "[client.", i, "]\n");
  const auto key = ParseKeyring(text, "client.cinder");
  EXPECT_THAT(std::string(key.status().message()),
              testing::EndsWith("client.6, client.7 and 992 more"));
}

TEST(ParseKeyringTest, DoesNotShowAKeyThatStandsWhereAnEntityShould) {
  const auto key = ParseKeyring(absl::StrCat("[", kAesKey, "]\n"), "client.cinder");
  EXPECT_EQ(key.status().message(), "the keyring has no key of client.cinder; it names no entity");
}

TEST(ParseKeyringTest, AnEmptyFileHasNoEntity) {
  EXPECT_EQ(ParseKeyring("", "client.cinder").status().code(), absl::StatusCode::kNotFound);
}

TEST(ParseKeyringTest, RefusesWhatIsNotAKeyringByLineAndWithoutQuotingIt) {
  struct {
    std::string text;
    const char* problem;
  } const cases[] = {
      {kAesKey.substr(0, 38), "line 1 is neither"},
      {kAesKey, "line 1 is a setting outside"},
      {absl::StrCat("\nkey = ", kAesKey, "\n"), "line 2 is a setting outside"},
      {absl::StrCat("[client.cinder\nkey = ", kAesKey), "line 1 opens a section"},
      {absl::StrCat("[client.cinder]\nkey = ", kAesKey, "\nkey = ", kAesKey),
       "line 3 is a second key of client.cinder"},
      {absl::StrCat("[client.cinder]\nkey = ", kAesKey,
                    "\n[client.x]\n[client.cinder]\nkey = ", kAes256kKey),
       "line 5 is a second key of client.cinder"},
  };
  for (const auto& c : cases) {
    const auto key = ParseKeyring(c.text, "client.cinder");
    EXPECT_EQ(ErrorReason(key.status()), "KEYRING_MALFORMED");
    const std::string message(key.status().message());
    EXPECT_THAT(message, HasSubstr(c.problem));
    EXPECT_THAT(message, Not(HasSubstr(kAesKey.substr(0, 8))));
  }
}

TEST(ParseKeyringTest, SaysWhoseKeyIsMalformed) {
  const auto key = ParseKeyring("[client.cinder]\nkey = AQB\n", "client.cinder");
  EXPECT_EQ(ErrorReason(key.status()), "CEPH_KEY_MALFORMED");
  EXPECT_THAT(std::string(key.status().message()), HasSubstr("keyring, client.cinder: the cephx"));
}

}  // namespace
}  // namespace hvagent::secrets
