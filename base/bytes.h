// A size in bytes as a type, so that MiB and GiB cannot be mixed up with bytes.
#ifndef HVAGENT_BASE_BYTES_H_
#define HVAGENT_BASE_BYTES_H_

#include <compare>
#include <cstdint>

namespace hvagent {

class Bytes {
 public:
  constexpr Bytes() = default;
  constexpr explicit Bytes(uint64_t count) : count_(count) {}

  constexpr uint64_t count() const { return count_; }

  friend constexpr auto operator<=>(const Bytes&, const Bytes&) = default;

 private:
  uint64_t count_ = 0;
};

constexpr Bytes KiB(uint64_t n) { return Bytes(n << 10); }
constexpr Bytes MiB(uint64_t n) { return Bytes(n << 20); }
constexpr Bytes GiB(uint64_t n) { return Bytes(n << 30); }

}  // namespace hvagent

#endif  // HVAGENT_BASE_BYTES_H_
