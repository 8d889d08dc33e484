#include "domain_xml/spec_checks.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/uuid.h"

namespace hvagent::domain_xml {

absl::Status CheckRange(absl::string_view field, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("must be from ", min, " to ", max, ", not ", value));
}

absl::Status AsField(absl::string_view field, const absl::Status& status) {
  return status.ok() ? status : InvalidField(field, status.message());
}

absl::Status CheckUuid(absl::string_view field, absl::string_view text) {
  const absl::StatusOr<Uuid> uuid = Uuid::Parse(text);
  if (!uuid.ok()) return InvalidField(field, uuid.status().message());
  if (uuid->is_nil()) return InvalidField(field, "must not be the nil UUID");
  return absl::OkStatus();
}

absl::Status CheckSystemName(absl::string_view field, absl::string_view name, size_t max) {
  const auto is_plain = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= max && name.front() != '-' && name.front() != '.' &&
      std::all_of(name.begin(), name.end(), is_plain)) {
    return absl::OkStatus();
  }
  return InvalidField(
      field, absl::StrCat("must be 1 to ", max,
                          " letters, digits, '.', '_' or '-', the first neither '.' nor '-'"));
}

absl::Status CheckEnum(absl::string_view field, int number, bool (*is_valid)(int)) {
  if (is_valid(number)) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("knows no value ", number));
}

}  // namespace hvagent::domain_xml
