#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"
#include "domain_xml/xml_words.h"

namespace hvagent::domain_xml {
namespace {

absl::Status CheckNic(const BridgeNic& nic) {
  RETURN_IF_ERROR(CheckGivenText("bridge", nic.bridge));
  return CheckGivenText("mac", nic.mac);
}

void WriteNic(pugi::xml_node devices, const BridgeNic& nic) {
  pugi::xml_node node = AddWith(devices, "interface", "type", "bridge");
  AddWith(node, "mac", "address", nic.mac);
  AddWith(node, "source", "bridge", nic.bridge);
  AddWith(node, "model", "type", WordOf(kNicModels, nic.model));
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

absl::Status CheckNics(const DomainSpec& spec) {
  for (size_t i = 0; i < spec.nics.size(); ++i) {
    RETURN_IF_ERROR(PrefixField(CheckNic(spec.nics[i]), absl::StrCat("nics[", i, "]")));
  }
  return absl::OkStatus();
}

void WriteNics(pugi::xml_node devices, const DomainSpec& spec) {
  for (const BridgeNic& nic : spec.nics) WriteNic(devices, nic);
}

absl::Status ReadNics(pugi::xml_node devices, DomainSpec& spec) {
  for (pugi::xml_node node : devices.children("interface")) {
    ASSIGN_OR_RETURN(BridgeNic nic, ReadNic(node));
    spec.nics.push_back(std::move(nic));
  }
  return absl::OkStatus();
}

}  // namespace hvagent::domain_xml
