#include "agent/reconcile/monitors.h"

#include <algorithm>
#include <optional>

namespace hvagent::reconcile {
namespace {

using block::Monitor;
using block::MonitorAddress;
using Protocol = block::MonitorAddress::Protocol;

std::optional<MonitorAddress> AddressOf(const Monitor& monitor, Protocol protocol) {
  auto it = std::find_if(monitor.addresses.begin(), monitor.addresses.end(),
                         [&](const MonitorAddress& a) { return a.protocol == protocol; });
  if (it == monitor.addresses.end()) return std::nullopt;
  return *it;
}

}  // namespace

std::vector<domain_xml::MonitorHost> GuestMonitors(const std::vector<Monitor>& monitors,
                                                   bool prefer_v1) {
  const auto all_have = [&](Protocol protocol) {
    return std::all_of(monitors.begin(), monitors.end(),
                       [&](const Monitor& m) { return AddressOf(m, protocol).has_value(); });
  };
  const Protocol first = prefer_v1 ? Protocol::kV1 : Protocol::kV2;
  const Protocol second = prefer_v1 ? Protocol::kV2 : Protocol::kV1;
  const Protocol chosen = all_have(first) ? first : second;
  const Protocol other = chosen == first ? second : first;
  std::vector<domain_xml::MonitorHost> hosts;
  for (const Monitor& monitor : monitors) {
    auto address = AddressOf(monitor, chosen);
    if (!address.has_value()) address = AddressOf(monitor, other);
    if (address.has_value()) hosts.push_back({address->host, address->port});
  }
  return hosts;
}

}  // namespace hvagent::reconcile
