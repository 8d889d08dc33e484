#include "secrets/secret_bytes.h"

#include <openssl/crypto.h>

#include <utility>

namespace hvagent::secrets {
namespace {

void Wipe(std::vector<char>& bytes) {
  if (!bytes.empty()) OPENSSL_cleanse(bytes.data(), bytes.size());
  bytes.clear();
}

}  // namespace

SecretBytes::SecretBytes(absl::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}

SecretBytes::~SecretBytes() { Wipe(bytes_); }

// Moving a vector hands its buffer over, so that no second copy of the bytes comes to be.
SecretBytes::SecretBytes(SecretBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    Wipe(bytes_);
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

absl::string_view SecretBytes::Reveal() const { return {bytes_.data(), bytes_.size()}; }

bool SecretBytes::Equals(const SecretBytes& other) const {
  return size() == other.size() &&
         (empty() || CRYPTO_memcmp(bytes_.data(), other.bytes_.data(), size()) == 0);
}

void WipeString(std::string& text) {
  // Within its capacity a string grows in place, so that what an earlier, longer text left in the
  // buffer is reached too.
  text.resize(text.capacity());
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace hvagent::secrets
