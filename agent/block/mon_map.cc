#include "agent/block/mon_map.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

using Json = nlohmann::json;

absl::Status NotAMonMap(absl::string_view problem) {
  return Error(absl::StatusCode::kInternal, "CEPH_MON_MAP",
               absl::StrCat("the monitors' answer to `mon dump` is not understood: ", problem));
}

// The field `name`, or null: also of what is no object.
const Json& Field(const Json& object, const char* name) {
  static const Json kNull;
  const auto field = object.find(name);
  return field == object.end() ? kNull : *field;
}

// The text of a field, or "".
std::string Text(const Json& object, const char* name) {
  const Json& field = Field(object, name);
  return field.is_string() ? field.get<std::string>() : std::string();
}

// "10.0.0.1:6789" or "[fd00::1]:3300".
std::optional<MonitorAddress> ParseAddress(absl::string_view text,
                                           MonitorAddress::Protocol protocol) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) ||
      port == 0 || port > 65535) {
    return std::nullopt;
  }
  absl::string_view host = text.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[") && !absl::ConsumeSuffix(&host, "]")) return std::nullopt;
  if (host.empty()) return std::nullopt;
  return MonitorAddress{std::string(host), static_cast<uint16_t>(port), protocol};
}

absl::StatusOr<Monitor> ParseMonitor(const Json& mon) {
  Monitor monitor;
  monitor.name = Text(mon, "name");
  for (const Json& entry : Field(Field(mon, "public_addrs"), "addrvec")) {
    const std::string type = Text(entry, "type");
    if (type != "v1" && type != "v2") continue;
    const std::string text = Text(entry, "addr");
    std::optional<MonitorAddress> address = ParseAddress(
        text, type == "v1" ? MonitorAddress::Protocol::kV1 : MonitorAddress::Protocol::kV2);
    if (!address.has_value()) {
      return NotAMonMap(absl::StrCat("address '", text, "' of monitor ", monitor.name));
    }
    monitor.addresses.push_back(*std::move(address));
  }
  if (monitor.addresses.empty()) {
    return NotAMonMap(absl::StrCat("monitor '", monitor.name, "' has no address"));
  }
  return monitor;
}

}  // namespace

absl::StatusOr<MonMap> ParseMonMap(absl::string_view json) {
  const Json dump = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (dump.is_discarded()) return NotAMonMap("it is not JSON");
  MonMap map;
  map.fsid = Text(dump, "fsid");
  for (const Json& mon : Field(dump, "mons")) {
    ASSIGN_OR_RETURN(Monitor monitor, ParseMonitor(mon));
    map.monitors.push_back(std::move(monitor));
  }
  if (map.fsid.empty() || map.monitors.empty()) return NotAMonMap("no fsid or no monitor");
  return map;
}

}  // namespace hvagent::block
