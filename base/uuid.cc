#include "base/uuid.h"

#include <sys/random.h>

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace hvagent {
namespace {

constexpr size_t kTextLength = 36;

bool IsDash(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

}  // namespace

absl::StatusOr<Uuid> Uuid::Parse(absl::string_view text) {
  bool well_formed = text.size() == kTextLength;
  std::string digits;
  for (size_t i = 0; well_formed && i < text.size(); ++i) {
    if (IsDash(i)) {
      well_formed = text[i] == '-';
    } else {
      well_formed = absl::ascii_isxdigit(static_cast<unsigned char>(text[i]));
      digits.push_back(text[i]);
    }
  }
  if (!well_formed) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", absl::CHexEscape(text.substr(0, 64)),
                     "\" is not a UUID (8-4-4-4-12 hexadecimal digits)"));
  }
  const std::string raw = absl::HexStringToBytes(digits);
  Bytes bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(raw[i]);
  return Uuid(bytes);
}

Uuid Uuid::Random() {
  Bytes bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  return Uuid(bytes);
}

std::string Uuid::ToString() const {
  const std::string hex = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes_.data()), bytes_.size()));
  const absl::string_view view = hex;
  return absl::StrCat(view.substr(0, 8), "-", view.substr(8, 4), "-", view.substr(12, 4), "-",
                      view.substr(16, 4), "-", view.substr(20));
}

}  // namespace hvagent
