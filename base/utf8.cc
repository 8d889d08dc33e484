#include "base/utf8.h"

#include <cstddef>
#include <cstdint>

namespace hvagent {
namespace {

// How many bytes the sequence that `lead` begins has; 0 when it begins none.
size_t SequenceLength(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

// The second byte is where overlong forms, surrogates and too large code points show.
bool IsSecondByte(uint8_t lead, uint8_t second) {
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high;
}

}  // namespace

bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t offset) { return static_cast<uint8_t>(text[i + offset]); };
    const size_t length = SequenceLength(byte(0));
    if (length == 0 || length > text.size() - i) return false;
    if (length > 1 && !IsSecondByte(byte(0), byte(1))) return false;
    for (size_t offset = 2; offset < length; ++offset) {
      if ((byte(offset) & 0xc0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace hvagent
