// SHA-256 of a stream, by OpenSSL.
#ifndef HVAGENT_AGENT_OPERATIONS_SHA256_H_
#define HVAGENT_AGENT_OPERATIONS_SHA256_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace hvagent::operations {

// Not thread-safe.
class Sha256 {
 public:
  Sha256();
  void Update(absl::string_view bytes);
  // The digest in lower-case hexadecimal. Call once, last.
  std::string HexDigest();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_SHA256_H_
