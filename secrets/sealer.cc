#include "secrets/sealer.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "secrets/secret_file.h"

namespace hvagent::secrets {
namespace {

constexpr size_t kKeySize = 32;
constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;

struct CipherDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherDeleter>;

// OpenSSL fails here only where it has no AES or no random numbers. To go on without would be to
// keep keys in the clear.
void Require(int result) {
  if (result != 1) std::abort();
}

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

SecretBytes RandomKey() {
  std::string bytes(kKeySize, '\0');
  const absl::Cleanup wipes = [&bytes] { WipeString(bytes); };
  Require(RAND_bytes(Bytes(bytes), kKeySize));
  return SecretBytes(bytes);
}

absl::Status CannotMake(const std::string& path, int error) {
  return Error(absl::ErrnoToStatusCode(error), "KEY_FILE",
               absl::StrCat("cannot make the sealing key ", path, ": ", strerror(error)));
}

absl::Status SyncDirectoryOf(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  const int fd = open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return CannotMake(path, errno);
  const absl::Cleanup closes = [fd] { close(fd); };
  return fsync(fd) == 0 ? absl::OkStatus() : CannotMake(path, errno);
}

absl::Status WriteAll(int fd, absl::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return CannotMake(path, errno);
    text.remove_prefix(count);
  }
  return absl::OkStatus();
}

// Makes `path` whole or not at all, and leaves one that is there: what was sealed under a key that
// is gone is lost.
absl::Status MakeKeyFile(const std::string& path) {
  const SecretBytes key = RandomKey();
  std::string text = absl::BytesToHexString(key.Reveal());
  const absl::Cleanup wipes = [&text] { WipeString(text); };

  std::string draft = absl::StrCat(path, ".XXXXXX");
  const int fd = mkostemp(draft.data(), O_CLOEXEC);  // with mode 0600
  if (fd < 0) return CannotMake(path, errno);
  const absl::Cleanup removes = [fd, &draft] {
    close(fd);
    unlink(draft.c_str());
  };
  RETURN_IF_ERROR(WriteAll(fd, text, path));
  RETURN_IF_ERROR(WriteAll(fd, "\n", path));  // to append it could leave a copy of the text behind
  if (fsync(fd) != 0) return CannotMake(path, errno);
  if (link(draft.c_str(), path.c_str()) != 0 && errno != EEXIST) return CannotMake(path, errno);
  return SyncDirectoryOf(path);
}

absl::StatusOr<SecretBytes> ParseKeyFile(const SecretFile& file, const std::string& path) {
  if (file.exposed) {
    return Error(absl::StatusCode::kFailedPrecondition, "SEALING_KEY_EXPOSED",
                 absl::StrCat("the sealing key ", path,
                              " may be read by others than its owner: chmod 0600 it, and if "
                              "anybody did read it, replace it and sync the secrets again"));
  }
  const absl::string_view text = absl::StripAsciiWhitespace(file.text.Reveal());
  if (text.size() != 2 * kKeySize || !std::all_of(text.begin(), text.end(), absl::ascii_isxdigit)) {
    return Error(absl::StatusCode::kInvalidArgument, "SEALING_KEY_MALFORMED",
                 absl::StrCat("the sealing key ", path, " is not ", 2 * kKeySize,
                              " hex digits, as `openssl rand -hex ", kKeySize, "` prints them"));
  }
  std::string bytes = absl::HexStringToBytes(text);
  const absl::Cleanup wipes = [&bytes] { WipeString(bytes); };
  return SecretBytes(bytes);
}

absl::Status SealBroken(absl::string_view context) {
  return Error(absl::StatusCode::kDataLoss, "SEAL_BROKEN",
               absl::StrCat("what is sealed as ", context,
                            " was sealed under another sealing key or as something else, or is "
                            "damaged: sync that secret again"));
}

}  // namespace

absl::StatusOr<Sealer> Sealer::FromFile(const std::string& path, bool create) {
  absl::StatusOr<SecretFile> file = ReadSecretFile(path);
  if (absl::IsNotFound(file.status()) && create) {
    RETURN_IF_ERROR(MakeKeyFile(path));
    file = ReadSecretFile(path);
  }
  RETURN_IF_ERROR(file.status());
  ASSIGN_OR_RETURN(SecretBytes key, ParseKeyFile(*file, path));
  return Sealer(std::move(key));
}

Sealer Sealer::FromBytes(SecretBytes key) {
  if (key.size() != kKeySize) std::abort();
  return Sealer(std::move(key));
}

Sealer Sealer::Ephemeral() { return Sealer(RandomKey()); }

std::string Sealer::Seal(const SecretBytes& plain, absl::string_view context) const {
  const int size = static_cast<int>(plain.size());
  std::string sealed(kNonceSize + size + kTagSize, '\0');
  unsigned char* const nonce = Bytes(sealed);
  unsigned char* const text = nonce + kNonceSize;
  Require(RAND_bytes(nonce, kNonceSize));

  const Cipher cipher(EVP_CIPHER_CTX_new());
  int written = 0;
  Require(
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, Bytes(key_.Reveal()), nonce));
  Require(EVP_EncryptUpdate(cipher.get(), nullptr, &written, Bytes(context),
                            static_cast<int>(context.size())));
  Require(EVP_EncryptUpdate(cipher.get(), text, &written, Bytes(plain.Reveal()), size));
  Require(EVP_EncryptFinal_ex(cipher.get(), text + size, &written));
  Require(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, text + size));
  return sealed;
}

absl::StatusOr<SecretBytes> Sealer::Open(absl::string_view sealed,
                                         absl::string_view context) const {
  if (sealed.size() < kNonceSize + kTagSize) return SealBroken(context);
  const int size = static_cast<int>(sealed.size() - kNonceSize - kTagSize);
  const unsigned char* const nonce = Bytes(sealed);
  std::string tag(sealed.substr(sealed.size() - kTagSize));
  std::string plain(size, '\0');
  const absl::Cleanup wipes = [&plain] { WipeString(plain); };

  const Cipher cipher(EVP_CIPHER_CTX_new());
  int written = 0;
  Require(
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, Bytes(key_.Reveal()), nonce));
  Require(EVP_DecryptUpdate(cipher.get(), nullptr, &written, Bytes(context),
                            static_cast<int>(context.size())));
  Require(EVP_DecryptUpdate(cipher.get(), Bytes(plain), &written, nonce + kNonceSize, size));
  Require(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()));
  unsigned char none = 0;  // GCM writes nothing at its end
  if (EVP_DecryptFinal_ex(cipher.get(), &none, &written) != 1) return SealBroken(context);
  return SecretBytes(plain);
}

}  // namespace hvagent::secrets
