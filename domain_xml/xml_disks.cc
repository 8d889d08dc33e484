#include <algorithm>
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
  if (disk.iothread != 0 && disk.bus != DiskBus::kVirtio) {
    return InvalidField("iothread", "is for disks on virtio");
  }
  if (disk.read_errors == ErrorPolicy::kEnospace) {
    return InvalidField("read_errors", "must not be ENOSPACE: reads fill no pool");
  }
  RETURN_IF_ERROR(CheckText("io_tune.group", disk.io_tune.group));
  return CheckText("serial", disk.serial);
}

void WriteDriver(pugi::xml_node parent, const RbdDisk& disk) {
  pugi::xml_node driver = AddWith(parent, "driver", "name", "qemu");
  Set(driver, "type", "raw");
  Set(driver, "cache", WordOf(kCacheModes, disk.cache));
  Set(driver, "error_policy", WordOf(kErrorPolicies, disk.write_errors));
  Set(driver, "rerror_policy", WordOf(kErrorPolicies, disk.read_errors));
  if (disk.discard != DiscardMode::kDefault) {
    Set(driver, "discard", WordOf(kDiscardModes, disk.discard));
  }
  if (disk.detect_zeroes != DetectZeroes::kOff) {
    Set(driver, "detect_zeroes", WordOf(kDetectZeroes, disk.detect_zeroes));
  }
  if (disk.iothread != 0) Set(driver, "iothread", absl::StrCat(disk.iothread));
}

void WriteDisk(pugi::xml_node devices, const RbdDisk& disk) {
  pugi::xml_node node = AddWith(devices, "disk", "type", "network");
  Set(node, "device", "disk");
  WriteDriver(node, disk);

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

  Set(AddWith(node, "target", "dev", disk.target), "bus", WordOf(kDiskBuses, disk.bus));
  WriteIoTune(node, disk.io_tune);
  if (disk.read_only) node.append_child("readonly");
  if (disk.shareable) node.append_child("shareable");
  if (!disk.serial.empty()) AddText(node, "serial", disk.serial);
  if (disk.boot_order != 0) AddWith(node, "boot", "order", absl::StrCat(disk.boot_order));
}

// With no model said, libvirt would make the controllers LSI ones of the nineties.
void WriteScsiControllers(pugi::xml_node devices, const DomainSpec& spec) {
  constexpr int64_t kDisksOnOne = 15;
  const auto on_bus = [&spec](DiskBus bus) {
    return std::count_if(spec.disks.begin(), spec.disks.end(),
                         [bus](const RbdDisk& disk) { return disk.bus == bus; });
  };
  if (on_bus(DiskBus::kScsi) == 0) return;
  // libvirt finds a disk's controller by its letter, and SATA disks take letters too.
  const int64_t letters = on_bus(DiskBus::kScsi) + on_bus(DiskBus::kSata);
  for (int64_t i = 0; i * kDisksOnOne < letters; ++i) {
    pugi::xml_node controller = AddWith(devices, "controller", "type", "scsi");
    Set(controller, "index", absl::StrCat(i));
    Set(controller, "model", "virtio-scsi");
  }
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

// What is not said is what QEMU does by itself.
absl::Status ReadErrorPolicies(pugi::xml_node driver, RbdDisk& disk) {
  disk.write_errors = ErrorPolicy::kEnospace;
  if (driver.attribute("error_policy")) {
    ASSIGN_OR_RETURN(disk.write_errors, ReadWord(kErrorPolicies, Attribute(driver, "error_policy"),
                                                 "disk/driver/@error_policy"));
  }
  disk.read_errors =
      disk.write_errors == ErrorPolicy::kStop ? ErrorPolicy::kStop : ErrorPolicy::kReport;
  if (driver.attribute("rerror_policy")) {
    ASSIGN_OR_RETURN(disk.read_errors, ReadWord(kErrorPolicies, Attribute(driver, "rerror_policy"),
                                                "disk/driver/@rerror_policy"));
  }
  return absl::OkStatus();
}

absl::Status ReadDriver(pugi::xml_node driver, RbdDisk& disk) {
  RETURN_IF_ERROR(Expect(driver, "type", "raw", "disk/driver"));
  ASSIGN_OR_RETURN(disk.cache,
                   ReadWord(kCacheModes, Attribute(driver, "cache"), "disk/driver/@cache"));
  RETURN_IF_ERROR(ReadErrorPolicies(driver, disk));
  if (driver.attribute("discard")) {
    ASSIGN_OR_RETURN(disk.discard,
                     ReadWord(kDiscardModes, Attribute(driver, "discard"), "disk/driver/@discard"));
  }
  if (driver.attribute("detect_zeroes")) {
    ASSIGN_OR_RETURN(disk.detect_zeroes, ReadWord(kDetectZeroes, Attribute(driver, "detect_zeroes"),
                                                  "disk/driver/@detect_zeroes"));
  }
  if (driver.attribute("iothread")) {
    ASSIGN_OR_RETURN(disk.iothread,
                     ReadNumber<uint32_t>(Attribute(driver, "iothread"), "disk/driver/@iothread"));
  }
  return absl::OkStatus();
}

absl::StatusOr<RbdDisk> ReadDisk(pugi::xml_node node) {
  RETURN_IF_ERROR(Expect(node, "type", "network", "disk"));
  RETURN_IF_ERROR(Expect(node, "device", "disk", "disk"));
  RbdDisk disk;
  RETURN_IF_ERROR(ReadDriver(node.child("driver"), disk));
  if (pugi::xml_node auth = node.child("auth")) {
    CephAuth ceph;
    ceph.username = auth.attribute("username").value();
    ASSIGN_OR_RETURN(ceph.secret_uuid,
                     ReadUuid(Attribute(auth.child("secret"), "uuid"), "disk/auth/secret/@uuid"));
    disk.auth = std::move(ceph);
  }

  RETURN_IF_ERROR(ReadSource(node.child("source"), disk));
  pugi::xml_node target = node.child("target");
  ASSIGN_OR_RETURN(disk.bus, ReadWord(kDiskBuses, Attribute(target, "bus"), "disk/target/@bus"));
  disk.target = target.attribute("dev").value();
  ASSIGN_OR_RETURN(disk.io_tune, ReadIoTune(node));
  disk.serial = node.child("serial").text().get();
  disk.read_only = !node.child("readonly").empty();
  disk.shareable = !node.child("shareable").empty();
  if (const pugi::xml_node boot = node.child("boot")) {
    ASSIGN_OR_RETURN(disk.boot_order,
                     ReadNumber<uint32_t>(Attribute(boot, "order"), "disk/boot/@order"));
  }
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
  for (const RbdDisk& disk : spec.disks) WriteDisk(devices, disk);
  WriteScsiControllers(devices, spec);
}

absl::Status ReadDisks(pugi::xml_node devices, DomainSpec& spec) {
  for (pugi::xml_node node : devices.children("disk")) {
    ASSIGN_OR_RETURN(RbdDisk disk, ReadDisk(node));
    spec.disks.push_back(std::move(disk));
  }
  return absl::OkStatus();
}

}  // namespace hvagent::domain_xml
