// Key material as a type: it moves but does not copy, wipes its memory when it goes, and has no
// way to be printed, logged or formatted. Whoever must hand the bytes to a C API reads them with
// `Reveal()`, which is easy to find in a review.
//
// Not thread-safe; a const SecretBytes may be read from several threads.
#ifndef HVAGENT_SECRETS_SECRET_BYTES_H_
#define HVAGENT_SECRETS_SECRET_BYTES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace hvagent::secrets {

class SecretBytes {
 public:
  SecretBytes() = default;
  // Copies `bytes`; the caller wipes the original (WipeString).
  explicit SecretBytes(absl::string_view bytes);
  ~SecretBytes();

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  bool empty() const { return bytes_.empty(); }
  size_t size() const { return bytes_.size(); }

  // The bytes themselves, valid while this object lives and is not moved from.
  absl::string_view Reveal() const;

  // A copy, where two owners are really needed.
  SecretBytes Clone() const { return SecretBytes(Reveal()); }

  // Compares in constant time for equal sizes.
  bool Equals(const SecretBytes& other) const;

 private:
  std::vector<char> bytes_;
};

// Overwrites the characters of `text` (its whole capacity), then empties it.
void WipeString(std::string& text);

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_SECRET_BYTES_H_
