#include <algorithm>
#include <cstdint>
#include <limits>
#include <pugixml.hpp>
#include <sstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/xml_words.h"

namespace hvagent::domain_xml {
namespace {

constexpr uint64_t kKibPerMib = 1024;
constexpr uint64_t kMaxMemoryMib = std::numeric_limits<uint64_t>::max() / kKibPerMib;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20; }

// XML 1.0 has no way to write most control characters, and parsers turn the others into spaces
// in attributes; U+FFFE and U+FFFF are no characters to it.
absl::Status CheckText(absl::string_view field, absl::string_view text) {
  if (!IsUtf8(text)) return InvalidField(field, "is not valid UTF-8");
  if (std::any_of(text.begin(), text.end(), IsControl)) {
    return InvalidField(field, "holds a control character");
  }
  if (absl::StrContains(text, "\xef\xbf\xbe") || absl::StrContains(text, "\xef\xbf\xbf")) {
    return InvalidField(field, "holds a code point that XML does not have");
  }
  return absl::OkStatus();
}

absl::Status CheckGivenText(absl::string_view field, absl::string_view text) {
  if (text.empty()) return InvalidField(field, "must not be empty");
  return CheckText(field, text);
}

// A part of "pool/namespace/image", where a '/' would make it another image.
absl::Status CheckImagePart(absl::string_view field, absl::string_view text) {
  if (absl::StrContains(text, '/')) return InvalidField(field, "must not hold a '/'");
  return CheckText(field, text);
}

absl::Status CheckDisk(const RbdDisk& disk) {
  if (disk.pool.empty()) return InvalidField("pool", "must not be empty");
  if (disk.image.empty()) return InvalidField("image", "must not be empty");
  RETURN_IF_ERROR(CheckImagePart("pool", disk.pool));
  RETURN_IF_ERROR(CheckImagePart("rados_namespace", disk.rados_namespace));
  RETURN_IF_ERROR(CheckImagePart("image", disk.image));
  if (disk.monitors.empty()) return InvalidField("monitors", "there must be at least one");
  for (size_t i = 0; i < disk.monitors.size(); ++i) {
    RETURN_IF_ERROR(CheckGivenText(absl::StrCat("monitors[", i, "].name"), disk.monitors[i].name));
  }
  if (disk.auth.has_value()) {
    RETURN_IF_ERROR(CheckGivenText("auth.username", disk.auth->username));
  }
  RETURN_IF_ERROR(CheckGivenText("target", disk.target));
  return CheckText("serial", disk.serial);
}

absl::Status CheckNic(const BridgeNic& nic) {
  RETURN_IF_ERROR(CheckGivenText("bridge", nic.bridge));
  return CheckGivenText("mac", nic.mac);
}

absl::Status CheckSpec(const DomainSpec& spec) {
  RETURN_IF_ERROR(CheckGivenText("name", spec.name));
  RETURN_IF_ERROR(CheckText("serial_log_file", spec.serial_log_file));
  RETURN_IF_ERROR(CheckText("mark.agent_node", spec.mark.agent_node));
  if (const auto& secret = spec.mark.secret; secret.has_value()) {
    RETURN_IF_ERROR(CheckGivenText("mark.secret.entity", secret->entity));
    RETURN_IF_ERROR(CheckText("mark.secret.fingerprint", secret->fingerprint));
  }
  if (spec.vcpus == 0) return InvalidField("vcpus", "must be at least 1");
  if (spec.memory_mib == 0 || spec.memory_mib > kMaxMemoryMib) {
    return InvalidField("memory_mib", absl::StrCat("must be from 1 to ", kMaxMemoryMib));
  }
  if (spec.disks.empty()) return InvalidField("disks", "there must be one to boot from");
  for (size_t i = 0; i < spec.disks.size(); ++i) {
    RETURN_IF_ERROR(PrefixField(CheckDisk(spec.disks[i]), absl::StrCat("disks[", i, "]")));
  }
  for (size_t i = 0; i < spec.nics.size(); ++i) {
    RETURN_IF_ERROR(PrefixField(CheckNic(spec.nics[i]), absl::StrCat("nics[", i, "]")));
  }
  return absl::OkStatus();
}

// `parent` gets a child; both functions return what they made, to go on from there.
pugi::xml_node AddText(pugi::xml_node parent, const char* name, const std::string& text) {
  pugi::xml_node node = parent.append_child(name);
  node.text().set(text.c_str());
  return node;
}

void Set(pugi::xml_node node, const char* attribute, const std::string& value) {
  node.append_attribute(attribute).set_value(value.c_str());
}

pugi::xml_node AddWith(pugi::xml_node parent, const char* name, const char* attribute,
                       const std::string& value) {
  pugi::xml_node node = parent.append_child(name);
  Set(node, attribute, value);
  return node;
}

void AddMark(pugi::xml_node domain, const DomainMark& mark) {
  const std::string element = absl::StrCat(kMarkPrefix, ":", kMarkElement);
  pugi::xml_node node = AddWith(domain.append_child("metadata"), element.c_str(),
                                absl::StrCat("xmlns:", kMarkPrefix).c_str(), kMarkNamespace);
  Set(node, "node", mark.agent_node);
  Set(node, "generation", absl::StrCat(mark.generation));
  if (mark.epoch != 0) Set(node, "epoch", absl::StrCat(mark.epoch));
  if (mark.secret.has_value()) {
    const std::string stamp = absl::StrCat(kMarkPrefix, ":", kStampElement);
    pugi::xml_node secret = AddWith(node, stamp.c_str(), "entity", mark.secret->entity);
    Set(secret, "fingerprint", mark.secret->fingerprint);
    Set(secret, "generation", absl::StrCat(mark.secret->generation_unix_s));
  }
}

void AddMachine(pugi::xml_node domain, const DomainSpec& spec) {
  const std::string memory_kib = absl::StrCat(spec.memory_mib * kKibPerMib);
  Set(AddText(domain, "memory", memory_kib), "unit", "KiB");
  Set(AddText(domain, "currentMemory", memory_kib), "unit", "KiB");
  AddText(domain, "vcpu", absl::StrCat(spec.vcpus));

  pugi::xml_node os_type = AddText(domain.append_child("os"), "type", "hvm");
  Set(os_type, "arch", "x86_64");
  Set(os_type, "machine", "pc");

  pugi::xml_node features = domain.append_child("features");
  features.append_child("acpi");
  features.append_child("apic");

  // The timers that keep a guest's clock right when its vCPUs are not scheduled for a while.
  pugi::xml_node clock = AddWith(domain, "clock", "offset", "utc");
  Set(AddWith(clock, "timer", "name", "pit"), "tickpolicy", "delay");
  Set(AddWith(clock, "timer", "name", "rtc"), "tickpolicy", "catchup");
  Set(AddWith(clock, "timer", "name", "hpet"), "present", "no");

  AddText(domain, "on_poweroff", "destroy");
  AddText(domain, "on_reboot", "restart");
  AddText(domain, "on_crash", "destroy");
}

pugi::xml_node AddDisk(pugi::xml_node devices, const RbdDisk& disk) {
  pugi::xml_node node = AddWith(devices, "disk", "type", "network");
  Set(node, "device", "disk");

  pugi::xml_node driver = AddWith(node, "driver", "name", "qemu");
  Set(driver, "type", "raw");
  Set(driver, "cache", WordOf(kCacheModes, disk.cache));
  if (disk.discard != DiscardMode::kDefault) {
    Set(driver, "discard", WordOf(kDiscardModes, disk.discard));
  }

  if (disk.auth.has_value()) {
    pugi::xml_node auth = AddWith(node, "auth", "username", disk.auth->username);
    Set(AddWith(auth, "secret", "type", "ceph"), "uuid", disk.auth->secret_uuid.ToString());
  }

  pugi::xml_node source = AddWith(node, "source", "protocol", "rbd");
  Set(source, "name",
      disk.rados_namespace.empty()
          ? absl::StrCat(disk.pool, "/", disk.image)
          : absl::StrCat(disk.pool, "/", disk.rados_namespace, "/", disk.image));
  for (const MonitorHost& monitor : disk.monitors) {
    pugi::xml_node host = AddWith(source, "host", "name", monitor.name);
    if (monitor.port != 0) Set(host, "port", absl::StrCat(monitor.port));
  }

  Set(AddWith(node, "target", "dev", disk.target), "bus", "virtio");
  if (disk.read_only) node.append_child("readonly");
  if (!disk.serial.empty()) AddText(node, "serial", disk.serial);
  return node;
}

void AddNic(pugi::xml_node devices, const BridgeNic& nic) {
  pugi::xml_node node = AddWith(devices, "interface", "type", "bridge");
  AddWith(node, "mac", "address", nic.mac);
  AddWith(node, "source", "bridge", nic.bridge);
  AddWith(node, "model", "type", WordOf(kNicModels, nic.model));
}

void AddConsole(pugi::xml_node devices, const std::string& log_file) {
  pugi::xml_node serial = AddWith(devices, "serial", "type", "pty");
  if (!log_file.empty()) Set(AddWith(serial, "log", "file", log_file), "append", "on");
  AddWith(serial, "target", "port", "0");
  pugi::xml_node console = AddWith(devices, "console", "type", "pty");
  Set(AddWith(console, "target", "type", "serial"), "port", "0");
}

void AddDevices(pugi::xml_node domain, const DomainSpec& spec) {
  pugi::xml_node devices = domain.append_child("devices");
  for (const RbdDisk& disk : spec.disks) {
    pugi::xml_node node = AddDisk(devices, disk);
    if (&disk == &spec.disks.front()) AddWith(node, "boot", "order", "1");
  }
  for (const BridgeNic& nic : spec.nics) AddNic(devices, nic);
  AddConsole(devices, spec.serial_log_file);

  pugi::xml_node channel = AddWith(devices, "channel", "type", "unix");
  Set(AddWith(channel, "target", "type", "virtio"), "name", "org.qemu.guest_agent.0");
  pugi::xml_node rng = AddWith(devices, "rng", "model", "virtio");
  Set(AddText(rng, "backend", "/dev/urandom"), "model", "random");
  AddWith(devices, "memballoon", "model", "virtio");
}

}  // namespace

absl::StatusOr<std::string> Render(const DomainSpec& spec) {
  RETURN_IF_ERROR(CheckSpec(spec));

  pugi::xml_document document;
  pugi::xml_node domain = AddWith(document, "domain", "type", WordOf(kDomainTypes, spec.type));
  AddText(domain, "name", spec.name);
  AddText(domain, "uuid", spec.uuid.ToString());
  AddMark(domain, spec.mark);
  AddMachine(domain, spec);
  AddDevices(domain, spec);

  std::ostringstream out;
  document.save(out, "  ", pugi::format_indent | pugi::format_no_declaration, pugi::encoding_utf8);
  std::string xml = out.str();

  const absl::StatusOr<DomainSpec> read_back = Parse(xml);
  if (!read_back.ok() || *read_back != spec) {
    return Error(
        absl::StatusCode::kInvalidArgument, "DOMAIN_XML_MISMATCH",
        absl::StrCat("domain ", spec.uuid.ToString(), ": its XML would not say what its spec says",
                     read_back.ok() ? "" : ": ", read_back.status().message()));
  }
  return xml;
}

}  // namespace hvagent::domain_xml
