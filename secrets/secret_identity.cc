#include "secrets/secret_identity.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace hvagent::secrets {
namespace {

constexpr size_t kMaxUsage = 128;

}  // namespace

Uuid DeriveSecretUuid(const Uuid& fsid, absl::string_view entity) {
  std::string name(fsid.bytes().begin(), fsid.bytes().end());
  absl::StrAppend(&name, entity);
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
  // It fails only where OpenSSL is built or configured without SHA-1; another UUID would be wrong.
  if (EVP_Digest(name.data(), name.size(), digest.data(), nullptr, EVP_sha1(), nullptr) != 1) {
    std::abort();
  }
  Uuid::Bytes bytes;
  std::copy_n(digest.begin(), bytes.size(), bytes.begin());
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x50);  // version 5
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);  // RFC 4122
  return Uuid(bytes);
}

std::string DeriveUsage(const Uuid& fsid, absl::string_view entity) {
  return absl::StrCat(entity, "@", fsid.ToString());
}

absl::Status CheckUsage(absl::string_view usage) {
  const bool printable = std::all_of(usage.begin(), usage.end(),
                                     [](unsigned char c) { return absl::ascii_isprint(c); });
  if (!usage.empty() && usage.size() <= kMaxUsage && printable && usage.front() != ' ' &&
      usage.back() != ' ') {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CHexEscape(usage.substr(0, 64)), "\" is not a secret's usage (1 to ",
                   kMaxUsage, " printable ASCII characters, no space at either end)"));
}

}  // namespace hvagent::secrets
