// Owning pointers to OpenSSL's objects, and its last error as text.
#ifndef HVAGENT_AGENTCTL_OPENSSL_PTR_H_
#define HVAGENT_AGENTCTL_OPENSSL_PTR_H_

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace hvagent::agentctl {

struct OpenSslDeleter {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* connection) const { SSL_free(connection); }
};

template <typename T>
using OpenSslPtr = std::unique_ptr<T, OpenSslDeleter>;

// A BIO that reads `text`, which must outlive it.
inline OpenSslPtr<BIO> ReadingBio(absl::string_view text) {
  return OpenSslPtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The reason of this thread's last error ("certificate verify failed"); clears the queue.
inline std::string TakeOpenSslError() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason == nullptr ? "unknown error" : reason;
  ERR_clear_error();
  return text;
}

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_OPENSSL_PTR_H_
