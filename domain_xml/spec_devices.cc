#include <string>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/spec_checks.h"
#include "domain_xml/spec_parts.h"

namespace hvagent::domain_xml {
namespace {

constexpr uint32_t kMaxStatsPeriodS = 3600;

Vnc ToVnc(v1::Vnc vnc) {
  switch (vnc) {
    case v1::VNC_LOCALHOST:
      return Vnc::kLocalhost;
    case v1::VNC_SOCKET:
      return Vnc::kSocket;
    default:
      return Vnc::kOff;
  }
}

WatchdogAction ToAction(v1::Watchdog::Action action) {
  switch (action) {
    case v1::Watchdog::POWEROFF:
      return WatchdogAction::kPoweroff;
    case v1::Watchdog::PAUSE:
      return WatchdogAction::kPause;
    case v1::Watchdog::INJECT_NMI:
      return WatchdogAction::kInjectNmi;
    case v1::Watchdog::NOTHING:
      return WatchdogAction::kNone;
    default:
      return WatchdogAction::kReset;
  }
}

}  // namespace

std::string SerialLogPath(absl::string_view serial_log_dir, absl::string_view uuid) {
  return absl::StrCat(serial_log_dir, "/", uuid, ".serial.log");
}

absl::Status ValidateOtherDevices(const v1::VmSpec& spec) {
  RETURN_IF_ERROR(CheckEnum("vnc", spec.vnc(), v1::Vnc_IsValid));
  RETURN_IF_ERROR(
      CheckEnum("watchdog.model", spec.watchdog().model(), v1::Watchdog::Model_IsValid));
  RETURN_IF_ERROR(
      CheckEnum("watchdog.action", spec.watchdog().action(), v1::Watchdog::Action_IsValid));
  return CheckRange("balloon.stats_period_s", spec.balloon().stats_period_s(), 0, kMaxStatsPeriodS);
}

void NormalizeOtherDevices(v1::VmSpec& spec) {
  if (!spec.has_guest_agent()) spec.set_guest_agent(true);
  if (!spec.has_rng()) spec.set_rng(true);
  if (!spec.has_watchdog()) return;
  v1::Watchdog& watchdog = *spec.mutable_watchdog();
  if (watchdog.model() == v1::Watchdog::MODEL_UNSPECIFIED) {
    watchdog.set_model(v1::Watchdog::I6300ESB);
  }
  if (watchdog.action() == v1::Watchdog::ACTION_UNSPECIFIED) {
    watchdog.set_action(v1::Watchdog::RESET);
  }
}

void ResolveOtherDevices(const v1::VmSpec& spec, const Placement& placement, DomainSpec& domain) {
  if (!placement.serial_log_dir.empty()) {
    domain.serial_log_file = SerialLogPath(placement.serial_log_dir, spec.uuid());
  }
  domain.vnc = ToVnc(spec.vnc());
  domain.guest_agent = spec.guest_agent();
  domain.rng = spec.rng();
  domain.balloon_stats_s = spec.balloon().stats_period_s();
  if (spec.has_watchdog()) {
    domain.watchdog =
        Watchdog{.model = spec.watchdog().model() == v1::Watchdog::IB700 ? WatchdogModel::kIb700
                                                                         : WatchdogModel::kI6300esb,
                 .action = ToAction(spec.watchdog().action())};
  }
}

}  // namespace hvagent::domain_xml
