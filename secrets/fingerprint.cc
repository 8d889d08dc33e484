#include "secrets/fingerprint.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstdlib>

#include "absl/strings/escaping.h"

namespace hvagent::secrets {
namespace {

constexpr size_t kShownBytes = 8;

}  // namespace

std::string Fingerprint(const SecretBytes& salt, const SecretBytes& value) {
  const absl::string_view key = salt.Reveal();
  const absl::string_view text = value.Reveal();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  // To HMAC() two null pointers are a mistake, and no bytes are none.
  const char* const key_data = key.empty() ? "" : key.data();
  // It fails only where OpenSSL has no SHA-256; another fingerprint would be a false alarm.
  if (HMAC(EVP_sha256(), key_data, static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
           nullptr) == nullptr) {
    std::abort();
  }
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), kShownBytes));
}

}  // namespace hvagent::secrets
