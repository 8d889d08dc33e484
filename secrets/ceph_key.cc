#include "secrets/ceph_key.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::secrets {
namespace {

constexpr size_t kHeaderSize = 12;
constexpr size_t kCreateTimeAt = 2;
constexpr size_t kMaxNamed = 8;  // entities of a keyring, in a message
constexpr absl::string_view kHowToGetIt = "give it as `ceph auth get-key ENTITY` prints it";

absl::Status MalformedKey(absl::string_view problem) {
  return Error(absl::StatusCode::kInvalidArgument, "CEPH_KEY_MALFORMED",
               absl::StrCat("the cephx key ", problem, "; ", kHowToGetIt));
}

// absl::Base64Unescape skips white space and does without padding; a key that lacks its last
// characters, or has a line break inside, was not copied whole.
bool IsBase64(absl::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return false;
  for (int i = 0; i < 2; ++i) absl::ConsumeSuffix(&text, "=");
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '+' || c == '/';
  });
}

uint16_t ReadU16(absl::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) | static_cast<uint8_t>(bytes[at + 1])
                                                                     << 8);
}

uint32_t ReadU32(absl::string_view bytes, size_t at) {
  return ReadU16(bytes, at) | static_cast<uint32_t>(ReadU16(bytes, at + 2)) << 16;
}

std::optional<size_t> SecretSize(uint16_t type) {
  switch (static_cast<CephKey::Type>(type)) {
    case CephKey::Type::kAes:
      return 16;
    case CephKey::Type::kAes256k:
      return 32;
  }
  return std::nullopt;
}

absl::Status MalformedKeyring(size_t line, absl::string_view problem) {
  return Error(absl::StatusCode::kInvalidArgument, "KEYRING_MALFORMED",
               absl::StrCat("the keyring's line ", line, " ", problem));
}

// Whether `name` can be shown. Key material has no '.', so that it cannot pass for an entity.
bool LooksLikeEntity(absl::string_view name) {
  return name.size() <= 64 && absl::StrContains(name, '.') &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

absl::Status NotInKeyring(absl::string_view entity, std::vector<absl::string_view> found) {
  std::string others = "; it names no entity";
  if (!found.empty()) {
    const size_t unnamed = found.size() - std::min(found.size(), kMaxNamed);
    found.resize(found.size() - unnamed);
    others = absl::StrCat("; it has ", absl::StrJoin(found, ", "));
    if (unnamed > 0) absl::StrAppend(&others, " and ", unnamed, " more");
  }
  return Error(
      absl::StatusCode::kNotFound, "ENTITY_NOT_IN_KEYRING",
      absl::StrCat("the keyring has no key of ", absl::CHexEscape(entity.substr(0, 64)), others));
}

// A value without the quotes around it and the comment behind it, neither of which can be part of
// base64.
absl::string_view Unadorned(absl::string_view value) {
  value = absl::StripAsciiWhitespace(value.substr(0, value.find_first_of("#;")));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  return value;
}

}  // namespace

absl::Time CephKey::create_time() const {
  return absl::FromUnixSeconds(ReadU32(value_.Reveal(), kCreateTimeAt));
}

absl::StatusOr<CephKey> ParseCephKey(absl::string_view base64) {
  const absl::string_view text = absl::StripAsciiWhitespace(base64);
  if (text.empty()) return MalformedKey("is empty");

  std::string raw;
  const absl::Cleanup wipe = [&raw] { WipeString(raw); };
  if (!IsBase64(text) || !absl::Base64Unescape(text, &raw)) {
    return MalformedKey("is not base64, or not all of it");
  }
  // A key's header holds bytes outside of the alphabet (zeros, in its type and length), so that
  // decoded text which is base64 itself can only be a key that was encoded twice.
  if (IsBase64(absl::StripAsciiWhitespace(raw))) {
    return MalformedKey("is encoded in base64 twice");
  }
  return CephKeyOf(SecretBytes(raw));
}

absl::StatusOr<CephKey> CephKeyOf(const SecretBytes& value) {
  const absl::string_view raw = value.Reveal();
  if (raw.size() < kHeaderSize) return MalformedKey("is too short");

  const uint16_t type = ReadU16(raw, 0);
  const std::optional<size_t> secret_size = SecretSize(type);
  if (!secret_size.has_value()) {
    return MalformedKey("is of an unknown type (known are aes and aes256k)");
  }
  if (raw.size() != kHeaderSize + *secret_size || ReadU16(raw, 10) != *secret_size) {
    return MalformedKey(absl::StrCat("has ", raw.size(), " bytes, where one of its type has ",
                                     kHeaderSize + *secret_size,
                                     ", or its header gives another length"));
  }
  return CephKey(static_cast<CephKey::Type>(type), value.Clone());
}

absl::StatusOr<CephKey> ParseKeyring(absl::string_view text, absl::string_view entity) {
  std::vector<absl::string_view> found;
  std::optional<absl::string_view> key;
  bool in_section = false;  // of any entity
  bool wanted = false;      // in that of `entity`
  bool continued = false;   // the line before ended in a backslash
  size_t number = 0;
  for (absl::string_view raw_line : absl::StrSplit(text, '\n')) {
    ++number;
    const absl::string_view line = absl::StripAsciiWhitespace(raw_line);
    const bool continuation = continued;
    continued = absl::EndsWith(line, "\\");
    if (continuation || line.empty() || line.front() == '#' || line.front() == ';') continue;

    if (line.front() == '[') {
      const size_t end = line.find(']');
      if (end == absl::string_view::npos) {
        return MalformedKeyring(number, "opens a section and does not close it");
      }
      const absl::string_view name = absl::StripAsciiWhitespace(line.substr(1, end - 1));
      in_section = true;
      wanted = name == entity;
      if (LooksLikeEntity(name)) found.push_back(name);
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos) {
      return MalformedKeyring(number, "is neither a [section] nor a setting (name = value)");
    }
    if (!in_section) return MalformedKeyring(number, "is a setting outside of any [section]");
    if (!wanted || absl::StripAsciiWhitespace(line.substr(0, equals)) != "key") continue;
    if (key.has_value()) {
      return MalformedKeyring(number, absl::StrCat("is a second key of ", entity));
    }
    key = Unadorned(line.substr(equals + 1));
  }
  if (!key.has_value()) return NotInKeyring(entity, std::move(found));
  absl::StatusOr<CephKey> parsed = ParseCephKey(*key);
  if (!parsed.ok()) return Annotate(parsed.status(), absl::StrCat("keyring, ", entity));
  return parsed;
}

}  // namespace hvagent::secrets
