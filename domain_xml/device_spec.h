// What else a guest has but disks and NICs. Plain values, part of a DomainSpec.
#ifndef HVAGENT_DOMAIN_XML_DEVICE_SPEC_H_
#define HVAGENT_DOMAIN_XML_DEVICE_SPEC_H_

namespace hvagent::domain_xml {

// Who can see the guest's screen: nobody, or somebody on the node.
enum class Vnc { kOff, kLocalhost, kSocket };

enum class WatchdogModel { kI6300esb, kIb700 };
enum class WatchdogAction { kReset, kPoweroff, kPause, kInjectNmi, kNone };

struct Watchdog {
  WatchdogModel model = WatchdogModel::kI6300esb;
  WatchdogAction action = WatchdogAction::kReset;
  friend bool operator==(const Watchdog&, const Watchdog&) = default;
};

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_DEVICE_SPEC_H_
