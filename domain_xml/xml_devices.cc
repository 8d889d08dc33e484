#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"
#include "domain_xml/xml_words.h"

namespace hvagent::domain_xml {
namespace {

constexpr char kAgentChannel[] = "org.qemu.guest_agent.0";
constexpr char kLocalhost[] = "127.0.0.1";

void WriteConsole(pugi::xml_node devices, const std::string& log_file) {
  pugi::xml_node serial = AddWith(devices, "serial", "type", "pty");
  if (!log_file.empty()) Set(AddWith(serial, "log", "file", log_file), "append", "on");
  AddWith(serial, "target", "port", "0");
  pugi::xml_node console = AddWith(devices, "console", "type", "pty");
  Set(AddWith(console, "target", "type", "serial"), "port", "0");
}

void WriteVnc(pugi::xml_node devices, Vnc vnc) {
  if (vnc == Vnc::kOff) return;
  pugi::xml_node graphics = AddWith(devices, "graphics", "type", "vnc");
  if (vnc == Vnc::kSocket) {
    AddWith(graphics, "listen", "type", "socket");
  } else {
    Set(graphics, "autoport", "yes");
    Set(AddWith(graphics, "listen", "type", "address"), "address", kLocalhost);
  }
  AddWith(devices.append_child("video"), "model", "type", "vga");
}

// No other screen than the one that nobody from elsewhere can see.
absl::StatusOr<Vnc> ReadVnc(pugi::xml_node devices) {
  const pugi::xml_node graphics = devices.child("graphics");
  if (!graphics) return Vnc::kOff;
  RETURN_IF_ERROR(Expect(graphics, "type", "vnc", "graphics"));
  const pugi::xml_node listen = graphics.child("listen");
  if (graphics.next_sibling("graphics") || listen.next_sibling("listen")) {
    return Unreadable("graphics", "there is more than one way to see the screen");
  }
  if (Attribute(listen, "type") == "socket") return Vnc::kSocket;
  RETURN_IF_ERROR(Expect(listen, "type", "address", "graphics/listen"));
  RETURN_IF_ERROR(Expect(listen, "address", kLocalhost, "graphics/listen"));
  return Vnc::kLocalhost;
}

absl::Status ReadWatchdog(pugi::xml_node devices, DomainSpec& spec) {
  const pugi::xml_node node = devices.child("watchdog");
  if (!node) return absl::OkStatus();
  spec.watchdog.emplace();
  ASSIGN_OR_RETURN(spec.watchdog->model,
                   ReadWord(kWatchdogModels, Attribute(node, "model"), "watchdog/@model"));
  ASSIGN_OR_RETURN(spec.watchdog->action,
                   ReadWord(kWatchdogActions, Attribute(node, "action"), "watchdog/@action"));
  return absl::OkStatus();
}

bool HasAgentChannel(pugi::xml_node devices) {
  for (pugi::xml_node channel : devices.children("channel")) {
    if (Attribute(channel.child("target"), "name") == kAgentChannel) return true;
  }
  return false;
}

}  // namespace

absl::Status CheckOtherDevices(const DomainSpec& spec) {
  return CheckText("serial_log_file", spec.serial_log_file);
}

void WriteOtherDevices(pugi::xml_node devices, const DomainSpec& spec) {
  WriteConsole(devices, spec.serial_log_file);
  if (spec.guest_agent) {
    pugi::xml_node channel = AddWith(devices, "channel", "type", "unix");
    Set(AddWith(channel, "target", "type", "virtio"), "name", kAgentChannel);
  }
  WriteVnc(devices, spec.vnc);
  if (spec.watchdog.has_value()) {
    pugi::xml_node watchdog =
        AddWith(devices, "watchdog", "model", WordOf(kWatchdogModels, spec.watchdog->model));
    Set(watchdog, "action", WordOf(kWatchdogActions, spec.watchdog->action));
  }
  if (spec.rng) {
    pugi::xml_node rng = AddWith(devices, "rng", "model", "virtio");
    Set(AddText(rng, "backend", "/dev/urandom"), "model", "random");
  }
  pugi::xml_node balloon = AddWith(devices, "memballoon", "model", "virtio");
  if (spec.balloon_stats_s != 0) {
    AddWith(balloon, "stats", "period", absl::StrCat(spec.balloon_stats_s));
  }
}

absl::Status ReadOtherDevices(pugi::xml_node devices, DomainSpec& spec) {
  spec.serial_log_file = devices.child("serial").child("log").attribute("file").value();
  spec.guest_agent = HasAgentChannel(devices);
  spec.rng = !devices.child("rng").empty();
  ASSIGN_OR_RETURN(spec.vnc, ReadVnc(devices));
  if (const pugi::xml_node stats = devices.child("memballoon").child("stats")) {
    ASSIGN_OR_RETURN(spec.balloon_stats_s,
                     ReadNumber<uint32_t>(Attribute(stats, "period"), "memballoon/stats/@period"));
  }
  return ReadWatchdog(devices, spec);
}

}  // namespace hvagent::domain_xml
