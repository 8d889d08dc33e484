// Private to domain_xml: checks that the parts of a VmSpec share. Each returns INVALID_ARGUMENT
// (InvalidField) for `field`.
#ifndef HVAGENT_DOMAIN_XML_SPEC_CHECKS_H_
#define HVAGENT_DOMAIN_XML_SPEC_CHECKS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hvagent::domain_xml {

absl::Status CheckRange(absl::string_view field, uint64_t value, uint64_t min, uint64_t max);

// A status of base/names.h as one of `field`.
absl::Status AsField(absl::string_view field, const absl::Status& status);

absl::Status CheckUuid(absl::string_view field, absl::string_view text);

// Letters, digits, '.', '_' and '-', at most `max`, the first neither '.' nor '-': what a host or
// an interface may be called without surprises in a path or on a command line.
absl::Status CheckSystemName(absl::string_view field, absl::string_view name, size_t max);

// `number` is one of an enum's; `is_valid` is the generated Enum_IsValid.
absl::Status CheckEnum(absl::string_view field, int number, bool (*is_valid)(int));

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_SPEC_CHECKS_H_
