#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"
#include "domain_xml/xml_words.h"

namespace hvagent::domain_xml {
namespace {

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

pugi::xml_node WriteDisk(pugi::xml_node devices, const RbdDisk& disk) {
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

absl::Status ReadSource(pugi::xml_node source, RbdDisk& disk) {
  RETURN_IF_ERROR(Expect(source, "protocol", "rbd", "disk/source"));
  const std::vector<std::string> parts = absl::StrSplit(Attribute(source, "name"), '/');
  if (parts.size() != 2 && parts.size() != 3) {
    return UnreadableValue("disk/source/@name", Attribute(source, "name"));
  }
  disk.pool = parts.front();
  if (parts.size() == 3) disk.rados_namespace = parts[1];
  disk.image = parts.back();
  for (pugi::xml_node host : source.children("host")) {
    MonitorHost monitor;
    monitor.name = host.attribute("name").value();
    if (pugi::xml_attribute port = host.attribute("port")) {
      uint32_t number = 0;
      if (!absl::SimpleAtoi(port.value(), &number) || number > UINT16_MAX) {
        return UnreadableValue("disk/source/host/@port", port.value());
      }
      monitor.port = static_cast<uint16_t>(number);
    }
    disk.monitors.push_back(std::move(monitor));
  }
  return absl::OkStatus();
}

absl::StatusOr<RbdDisk> ReadDisk(pugi::xml_node node) {
  RETURN_IF_ERROR(Expect(node, "type", "network", "disk"));
  RETURN_IF_ERROR(Expect(node, "device", "disk", "disk"));
  RbdDisk disk;

  pugi::xml_node driver = node.child("driver");
  RETURN_IF_ERROR(Expect(driver, "type", "raw", "disk/driver"));
  ASSIGN_OR_RETURN(disk.cache,
                   ReadWord(kCacheModes, Attribute(driver, "cache"), "disk/driver/@cache"));
  if (driver.attribute("discard")) {
    ASSIGN_OR_RETURN(disk.discard,
                     ReadWord(kDiscardModes, Attribute(driver, "discard"), "disk/driver/@discard"));
  }

  if (pugi::xml_node auth = node.child("auth")) {
    CephAuth ceph;
    ceph.username = auth.attribute("username").value();
    ASSIGN_OR_RETURN(ceph.secret_uuid,
                     ReadUuid(Attribute(auth.child("secret"), "uuid"), "disk/auth/secret/@uuid"));
    disk.auth = std::move(ceph);
  }

  RETURN_IF_ERROR(ReadSource(node.child("source"), disk));
  pugi::xml_node target = node.child("target");
  RETURN_IF_ERROR(Expect(target, "bus", "virtio", "disk/target"));
  disk.target = target.attribute("dev").value();
  disk.serial = node.child("serial").text().get();
  disk.read_only = !node.child("readonly").empty();
  return disk;
}

}  // namespace

absl::Status CheckDisks(const DomainSpec& spec) {
  if (spec.disks.empty()) return InvalidField("disks", "there must be one to boot from");
  for (size_t i = 0; i < spec.disks.size(); ++i) {
    RETURN_IF_ERROR(PrefixField(CheckDisk(spec.disks[i]), absl::StrCat("disks[", i, "]")));
  }
  return absl::OkStatus();
}

void WriteDisks(pugi::xml_node devices, const DomainSpec& spec) {
  for (const RbdDisk& disk : spec.disks) {
    pugi::xml_node node = WriteDisk(devices, disk);
    if (&disk == &spec.disks.front()) AddWith(node, "boot", "order", "1");
  }
}

absl::Status ReadDisks(pugi::xml_node devices, DomainSpec& spec) {
  for (pugi::xml_node node : devices.children("disk")) {
    ASSIGN_OR_RETURN(RbdDisk disk, ReadDisk(node));
    spec.disks.push_back(std::move(disk));
  }
  return absl::OkStatus();
}

}  // namespace hvagent::domain_xml
