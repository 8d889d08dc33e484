#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "domain_xml/io_tune_names.h"
#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"

namespace hvagent::domain_xml {
namespace {

void WriteGiven(pugi::xml_node parent, const std::string& name, uint64_t number) {
  if (number != 0) AddText(parent, name.c_str(), absl::StrCat(number));
}

absl::StatusOr<uint64_t> ReadGiven(pugi::xml_node parent, const std::string& name) {
  const pugi::xml_node node = parent.child(name.c_str());
  if (!node) return uint64_t{0};
  return ReadNumber<uint64_t>(node.text().get(), absl::StrCat("disk/iotune/", name));
}

}  // namespace

void WriteIoTune(pugi::xml_node disk, const IoTune& tune) {
  if (tune == IoTune()) return;
  pugi::xml_node node = disk.append_child("iotune");
  // In libvirt's order: its schema, as libxml2 reads it, wants those of a kind to stand together.
  for (const IoLimitName& entry : kIoLimitNames) {
    WriteGiven(node, entry.name, (tune.*entry.limit).rate);
  }
  for (const IoLimitName& entry : kIoLimitNames) {
    WriteGiven(node, BurstName(entry.name), (tune.*entry.limit).burst);
  }
  WriteGiven(node, kSizeIopsName, tune.size_iops);
  if (!tune.group.empty()) AddText(node, kGroupName, tune.group);
  for (const IoLimitName& entry : kIoLimitNames) {
    WriteGiven(node, BurstLengthName(entry.name), (tune.*entry.limit).burst_s);
  }
}

absl::StatusOr<IoTune> ReadIoTune(pugi::xml_node disk) {
  const pugi::xml_node node = disk.child("iotune");
  IoTune tune;
  for (const IoLimitName& entry : kIoLimitNames) {
    IoLimit& limit = tune.*entry.limit;
    ASSIGN_OR_RETURN(limit.rate, ReadGiven(node, entry.name));
    ASSIGN_OR_RETURN(limit.burst, ReadGiven(node, BurstName(entry.name)));
    ASSIGN_OR_RETURN(limit.burst_s, ReadGiven(node, BurstLengthName(entry.name)));
  }
  ASSIGN_OR_RETURN(tune.size_iops, ReadGiven(node, kSizeIopsName));
  tune.group = node.child(kGroupName).text().get();
  return tune;
}

}  // namespace hvagent::domain_xml
