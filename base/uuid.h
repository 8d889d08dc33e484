// A UUID as a value: 16 bytes, compared and hashed as such, printed in lower case.
#ifndef HVAGENT_BASE_UUID_H_
#define HVAGENT_BASE_UUID_H_

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hvagent {

class Uuid {
 public:
  using Bytes = std::array<uint8_t, 16>;

  // The nil UUID.
  Uuid() = default;
  explicit Uuid(const Bytes& bytes) : bytes_(bytes) {}

  // Reads 8-4-4-4-12 hexadecimal digits, in either case; no braces, no "urn:uuid:".
  // Errors: INVALID_ARGUMENT.
  static absl::StatusOr<Uuid> Parse(absl::string_view text);

  // A random (version 4) UUID from the kernel's generator.
  static Uuid Random();

  bool is_nil() const { return *this == Uuid(); }
  const Bytes& bytes() const { return bytes_; }
  std::string ToString() const;

  friend auto operator<=>(const Uuid&, const Uuid&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Uuid& uuid) {
    return H::combine(std::move(h), uuid.bytes_);
  }

 private:
  Bytes bytes_{};
};

}  // namespace hvagent

#endif  // HVAGENT_BASE_UUID_H_
