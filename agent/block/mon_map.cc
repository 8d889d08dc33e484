#include "agent/block/mon_map.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

using ::google::protobuf::Struct;
using ::google::protobuf::Value;

absl::Status NotAMonMap(absl::string_view problem) {
  return Error(absl::StatusCode::kInternal, "CEPH_MON_MAP",
               absl::StrCat("the monitors' answer to `mon dump` is not understood: ", problem));
}

// The field `name`, or an empty value.
const Value& Field(const Struct& object, const char* name) {
  auto field = object.fields().find(name);
  return field == object.fields().end() ? Value::default_instance() : field->second;
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

absl::StatusOr<Monitor> ParseMonitor(const Struct& mon) {
  Monitor monitor;
  monitor.name = Field(mon, "name").string_value();
  const Struct& addresses = Field(mon, "public_addrs").struct_value();
  for (const Value& entry : Field(addresses, "addrvec").list_value().values()) {
    const std::string& type = Field(entry.struct_value(), "type").string_value();
    if (type != "v1" && type != "v2") continue;
    const std::string& text = Field(entry.struct_value(), "addr").string_value();
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
  Struct dump;
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &dump);
  if (!parsed.ok()) return NotAMonMap("it is not JSON");
  MonMap map;
  map.fsid = Field(dump, "fsid").string_value();
  for (const Value& mon : Field(dump, "mons").list_value().values()) {
    ASSIGN_OR_RETURN(Monitor monitor, ParseMonitor(mon.struct_value()));
    map.monitors.push_back(std::move(monitor));
  }
  if (map.fsid.empty() || map.monitors.empty()) return NotAMonMap("no fsid or no monitor");
  return map;
}

}  // namespace hvagent::block
