// Private to domain_xml: writing and reading pugixml trees, with errors that say where.
#ifndef HVAGENT_DOMAIN_XML_XML_IO_H_
#define HVAGENT_DOMAIN_XML_XML_IO_H_

#include <cstdint>
#include <pugixml.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "base/uuid.h"
#include "domain_xml/xml_words.h"

namespace hvagent::domain_xml {

// Whether XML can carry `text` and a parser gives the same back: UTF-8 without control characters.
// Errors: INVALID_ARGUMENT (InvalidField).
absl::Status CheckText(absl::string_view field, absl::string_view text);
// The same, and not empty.
absl::Status CheckGivenText(absl::string_view field, absl::string_view text);

// Each gives `parent` a child and returns it, to go on from there.
pugi::xml_node AddText(pugi::xml_node parent, const char* name, const std::string& text);
pugi::xml_node AddWith(pugi::xml_node parent, const char* name, const char* attribute,
                       const std::string& value);
void Set(pugi::xml_node node, const char* attribute, const std::string& value);

// INVALID_ARGUMENT (INVALID_DOMAIN_XML): "domain XML: `where`: `problem`".
absl::Status Unreadable(absl::string_view where, absl::string_view problem);
absl::Status UnreadableValue(absl::string_view where, absl::string_view value);

// Empty when `node` has no such attribute, or is none itself.
absl::string_view Attribute(pugi::xml_node node, const char* name);

// Refuses a device that a DomainSpec cannot describe.
absl::Status Expect(pugi::xml_node node, const char* attribute, absl::string_view expected,
                    absl::string_view where);

// Memory in MiB, which is what a DomainSpec says it in, from 1 on, as long as libvirt's KiB can be
// said in 64 bits.
absl::Status CheckMemory(absl::string_view field, uint64_t memory_mib);
// Sets the attributes "memory" and "unit".
void SetMemory(pugi::xml_node node, uint64_t memory_mib);
// libvirt writes KiB, whatever unit was defined; people write MiB too.
absl::StatusOr<uint64_t> ReadMemoryMib(absl::string_view amount, absl::string_view unit,
                                       absl::string_view where);

absl::StatusOr<Uuid> ReadUuid(absl::string_view text, absl::string_view where);

template <typename Int>
absl::StatusOr<Int> ReadNumber(absl::string_view text, absl::string_view where) {
  Int number = 0;
  if (!absl::SimpleAtoi(text, &number)) return UnreadableValue(where, text);
  return number;
}

template <typename Enum, size_t N>
absl::StatusOr<Enum> ReadWord(const XmlWord<Enum> (&words)[N], absl::string_view word,
                              absl::string_view where) {
  if (auto value = ValueOf(words, word)) return *value;
  return UnreadableValue(where, word);
}

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_XML_IO_H_
