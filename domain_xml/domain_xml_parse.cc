#include <cstdint>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/xml_words.h"

namespace hvagent::domain_xml {
namespace {

constexpr size_t kQuotedLength = 80;

absl::Status Unreadable(absl::string_view where, absl::string_view problem) {
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_DOMAIN_XML",
               absl::StrCat("domain XML: ", where, ": ", problem));
}

absl::Status UnreadableValue(absl::string_view where, absl::string_view value) {
  return Unreadable(
      where, absl::StrCat("cannot use \"", absl::CHexEscape(value.substr(0, kQuotedLength)), "\""));
}

absl::string_view Attribute(pugi::xml_node node, const char* name) {
  return node.attribute(name).value();
}

template <typename Int>
absl::StatusOr<Int> ReadNumber(absl::string_view text, absl::string_view where) {
  Int number = 0;
  if (!absl::SimpleAtoi(text, &number)) return UnreadableValue(where, text);
  return number;
}

template <typename Enum, size_t N>
absl::StatusOr<Enum> ReadWord(const XmlWord<Enum> (&words)[N], absl::string_view word,
                              absl::string_view where) {
  if (auto value = ValueOf(words, word)) return *value;
  return UnreadableValue(where, word);
}

// Refuses a device that a DomainSpec cannot describe.
absl::Status Expect(pugi::xml_node node, const char* attribute, absl::string_view expected,
                    absl::string_view where) {
  if (Attribute(node, attribute) == expected) return absl::OkStatus();
  return UnreadableValue(absl::StrCat(where, "/@", attribute), Attribute(node, attribute));
}

absl::StatusOr<Uuid> ReadUuid(absl::string_view text, absl::string_view where) {
  absl::StatusOr<Uuid> uuid = Uuid::Parse(text);
  if (!uuid.ok()) return Unreadable(where, uuid.status().message());
  return uuid;
}

// The document's <domain>. White space alone is kept, since a name may consist of it.
absl::StatusOr<pugi::xml_node> LoadDomain(pugi::xml_document& document, absl::string_view xml) {
  const pugi::xml_parse_result result =
      document.load_buffer(xml.data(), xml.size(),
                           pugi::parse_default | pugi::parse_ws_pcdata_single, pugi::encoding_utf8);
  if (!result) {
    return Unreadable(absl::StrCat("at byte ", result.offset), result.description());
  }
  pugi::xml_node domain = document.document_element();
  if (absl::string_view(domain.name()) != "domain") {
    return Unreadable("root element", "is not <domain>");
  }
  return domain;
}

// The namespace that `prefix` is bound to at `node`.
absl::string_view NamespaceOf(pugi::xml_node node, absl::string_view prefix) {
  const std::string declaration = prefix.empty() ? "xmlns" : absl::StrCat("xmlns:", prefix);
  for (; node; node = node.parent()) {
    if (pugi::xml_attribute attribute = node.attribute(declaration.c_str())) {
      return attribute.value();
    }
  }
  return "";
}

// Whether `node` is such an element of ours.
bool IsOurs(pugi::xml_node node, absl::string_view element) {
  const std::pair<absl::string_view, absl::string_view> name =
      absl::StrSplit(node.name(), absl::MaxSplits(':', 1));
  const bool prefixed = !name.second.empty();
  return (prefixed ? name.second : name.first) == element &&
         NamespaceOf(node, prefixed ? name.first : "") == kMarkNamespace;
}

// The child of `parent` that is such an element of ours, or a null one.
pugi::xml_node OurChild(pugi::xml_node parent, absl::string_view element) {
  return parent.find_child([&](pugi::xml_node node) { return IsOurs(node, element); });
}

absl::StatusOr<std::optional<DomainMark>> ReadMark(pugi::xml_node domain) {
  const pugi::xml_node node = OurChild(domain.child("metadata"), kMarkElement);
  if (!node) return std::nullopt;
  DomainMark mark;
  mark.agent_node = node.attribute("node").value();
  ASSIGN_OR_RETURN(mark.generation,
                   ReadNumber<int64_t>(Attribute(node, "generation"), "metadata/mark/@generation"));
  if (node.attribute("epoch")) {
    ASSIGN_OR_RETURN(mark.epoch,
                     ReadNumber<int64_t>(Attribute(node, "epoch"), "metadata/mark/@epoch"));
  }
  if (const pugi::xml_node secret = OurChild(node, kStampElement)) {
    SecretStamp stamp;
    stamp.entity = secret.attribute("entity").value();
    stamp.fingerprint = secret.attribute("fingerprint").value();
    ASSIGN_OR_RETURN(
        stamp.generation_unix_s,
        ReadNumber<int64_t>(Attribute(secret, "generation"), "metadata/mark/secret/@generation"));
    mark.secret = std::move(stamp);
  }
  return mark;
}

// libvirt writes KiB, whatever unit was defined; people write MiB too.
absl::StatusOr<uint64_t> ReadMemoryMib(pugi::xml_node memory) {
  constexpr uint64_t kKibPerMib = 1024;
  ASSIGN_OR_RETURN(uint64_t amount, ReadNumber<uint64_t>(memory.text().get(), "memory"));
  const absl::string_view unit = Attribute(memory, "unit");
  if (unit == "MiB") return amount;
  if (!unit.empty() && unit != "KiB") return UnreadableValue("memory/@unit", unit);
  if (amount % kKibPerMib != 0) return Unreadable("memory", "is not a whole number of MiB");
  return amount / kKibPerMib;
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

absl::StatusOr<BridgeNic> ReadNic(pugi::xml_node node) {
  RETURN_IF_ERROR(Expect(node, "type", "bridge", "interface"));
  BridgeNic nic;
  nic.bridge = node.child("source").attribute("bridge").value();
  nic.mac = node.child("mac").attribute("address").value();
  ASSIGN_OR_RETURN(nic.model, ReadWord(kNicModels, Attribute(node.child("model"), "type"),
                                       "interface/model/@type"));
  return nic;
}

}  // namespace

absl::StatusOr<DomainSpec> Parse(absl::string_view xml) {
  pugi::xml_document document;
  ASSIGN_OR_RETURN(pugi::xml_node domain, LoadDomain(document, xml));
  ASSIGN_OR_RETURN(std::optional<DomainMark> mark, ReadMark(domain));
  if (!mark.has_value()) {
    return Unreadable("metadata", "has no mark of this agent: the domain is somebody else's");
  }

  DomainSpec spec;
  spec.mark = *std::move(mark);
  ASSIGN_OR_RETURN(spec.type, ReadWord(kDomainTypes, Attribute(domain, "type"), "domain/@type"));
  spec.name = domain.child("name").text().get();
  ASSIGN_OR_RETURN(spec.uuid, ReadUuid(domain.child("uuid").text().get(), "uuid"));
  ASSIGN_OR_RETURN(spec.memory_mib, ReadMemoryMib(domain.child("memory")));
  ASSIGN_OR_RETURN(spec.vcpus, ReadNumber<uint32_t>(domain.child("vcpu").text().get(), "vcpu"));

  pugi::xml_node devices = domain.child("devices");
  for (pugi::xml_node node : devices.children("disk")) {
    ASSIGN_OR_RETURN(RbdDisk disk, ReadDisk(node));
    spec.disks.push_back(std::move(disk));
  }
  for (pugi::xml_node node : devices.children("interface")) {
    ASSIGN_OR_RETURN(BridgeNic nic, ReadNic(node));
    spec.nics.push_back(std::move(nic));
  }
  spec.serial_log_file = devices.child("serial").child("log").attribute("file").value();
  return spec;
}

absl::StatusOr<std::optional<DomainMark>> ParseMark(absl::string_view xml) {
  pugi::xml_document document;
  ASSIGN_OR_RETURN(pugi::xml_node domain, LoadDomain(document, xml));
  return ReadMark(domain);
}

}  // namespace hvagent::domain_xml
