#include "domain_xml/xml_io.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace hvagent::domain_xml {
namespace {

constexpr size_t kQuotedLength = 80;
constexpr uint64_t kKibPerMib = 1024;
constexpr uint64_t kMaxMemoryMib = std::numeric_limits<uint64_t>::max() / kKibPerMib;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20; }

}  // namespace

// XML 1.0 has no way to write most control characters, and parsers turn the others into spaces
// in attributes; U+FFFE and U+FFFF are no characters to it.
absl::Status CheckText(absl::string_view field, absl::string_view text) {
  if (!IsUtf8(text)) return InvalidField(field, "is not valid UTF-8");
  if (std::any_of(text.begin(), text.end(), IsControl)) {
    return InvalidField(field, "holds a control character");
  }
  if (absl::StrContains(text, "\xef\xbf\xbe") || absl::StrContains(text, "\xef\xbf\xbf")) {
    return InvalidField(field, "holds a code point that XML does not have");
  }
  return absl::OkStatus();
}

absl::Status CheckGivenText(absl::string_view field, absl::string_view text) {
  if (text.empty()) return InvalidField(field, "must not be empty");
  return CheckText(field, text);
}

pugi::xml_node AddText(pugi::xml_node parent, const char* name, const std::string& text) {
  pugi::xml_node node = parent.append_child(name);
  node.text().set(text.c_str());
  return node;
}

pugi::xml_node AddWith(pugi::xml_node parent, const char* name, const char* attribute,
                       const std::string& value) {
  pugi::xml_node node = parent.append_child(name);
  Set(node, attribute, value);
  return node;
}

void Set(pugi::xml_node node, const char* attribute, const std::string& value) {
  node.append_attribute(attribute).set_value(value.c_str());
}

absl::Status Unreadable(absl::string_view where, absl::string_view problem) {
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_DOMAIN_XML",
               absl::StrCat("domain XML: ", where, ": ", problem));
}

absl::Status UnreadableValue(absl::string_view where, absl::string_view value) {
  return Unreadable(
      where, absl::StrCat("cannot use \"", absl::CHexEscape(value.substr(0, kQuotedLength)), "\""));
}

absl::string_view Attribute(pugi::xml_node node, const char* name) {
  return node.attribute(name).value();
}

absl::Status Expect(pugi::xml_node node, const char* attribute, absl::string_view expected,
                    absl::string_view where) {
  if (Attribute(node, attribute) == expected) return absl::OkStatus();
  return UnreadableValue(absl::StrCat(where, "/@", attribute), Attribute(node, attribute));
}

absl::Status CheckMemory(absl::string_view field, uint64_t memory_mib) {
  if (memory_mib != 0 && memory_mib <= kMaxMemoryMib) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("must be from 1 to ", kMaxMemoryMib));
}

void SetMemory(pugi::xml_node node, uint64_t memory_mib) {
  Set(node, "memory", absl::StrCat(memory_mib * kKibPerMib));
  Set(node, "unit", "KiB");
}

absl::StatusOr<uint64_t> ReadMemoryMib(absl::string_view amount, absl::string_view unit,
                                       absl::string_view where) {
  ASSIGN_OR_RETURN(const auto number, ReadNumber<uint64_t>(amount, where));
  if (unit == "MiB") return number;
  if (!unit.empty() && unit != "KiB") return UnreadableValue(absl::StrCat(where, "/@unit"), unit);
  if (number % kKibPerMib != 0) return Unreadable(where, "is not a whole number of MiB");
  return number / kKibPerMib;
}

absl::StatusOr<Uuid> ReadUuid(absl::string_view text, absl::string_view where) {
  absl::StatusOr<Uuid> uuid = Uuid::Parse(text);
  if (!uuid.ok()) return Unreadable(where, uuid.status().message());
  return uuid;
}

}  // namespace hvagent::domain_xml
