#include <string>

#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"

namespace hvagent::domain_xml {
namespace {

void WriteConsole(pugi::xml_node devices, const std::string& log_file) {
  pugi::xml_node serial = AddWith(devices, "serial", "type", "pty");
  if (!log_file.empty()) Set(AddWith(serial, "log", "file", log_file), "append", "on");
  AddWith(serial, "target", "port", "0");
  pugi::xml_node console = AddWith(devices, "console", "type", "pty");
  Set(AddWith(console, "target", "type", "serial"), "port", "0");
}

}  // namespace

absl::Status CheckOtherDevices(const DomainSpec& spec) {
  return CheckText("serial_log_file", spec.serial_log_file);
}

void WriteOtherDevices(pugi::xml_node devices, const DomainSpec& spec) {
  WriteConsole(devices, spec.serial_log_file);
  pugi::xml_node channel = AddWith(devices, "channel", "type", "unix");
  Set(AddWith(channel, "target", "type", "virtio"), "name", "org.qemu.guest_agent.0");
  pugi::xml_node rng = AddWith(devices, "rng", "model", "virtio");
  Set(AddText(rng, "backend", "/dev/urandom"), "model", "random");
  AddWith(devices, "memballoon", "model", "virtio");
}

absl::Status ReadOtherDevices(pugi::xml_node devices, DomainSpec& spec) {
  spec.serial_log_file = devices.child("serial").child("log").attribute("file").value();
  return absl::OkStatus();
}

}  // namespace hvagent::domain_xml
