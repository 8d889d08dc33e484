#include "domain_xml/live_disks.h"

#include <algorithm>
#include <pugixml.hpp>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/xml_parts.h"

namespace hvagent::domain_xml {
namespace {

constexpr char kAliasPrefix[] = "ua-hvagent-";

bool IsTaken(const std::string& target, const std::vector<LiveDisk>& live) {
  return std::any_of(live.begin(), live.end(),
                     [&](const LiveDisk& disk) { return disk.target == target; });
}

// `wanted`, or the first free one of its bus: "vda" to "vdz".
absl::StatusOr<std::string> FreeTarget(std::string wanted, const std::vector<LiveDisk>& live) {
  if (!IsTaken(wanted, live)) return wanted;
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    wanted.back() = letter;
    if (!IsTaken(wanted, live)) return wanted;
  }
  return Error(absl::StatusCode::kResourceExhausted, "NO_FREE_TARGET",
               "the guest has a disk at each target of this bus: detach one first");
}

}  // namespace

absl::StatusOr<std::vector<LiveDisk>> LiveDisksOf(absl::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_buffer(xml.data(), xml.size());
  const pugi::xml_node domain = document.child("domain");
  if (!result || !domain) {
    return Error(absl::StatusCode::kInvalidArgument, "INVALID_DOMAIN_XML",
                 absl::StrCat("domain XML: ", result ? "is not <domain>" : result.description()));
  }
  std::vector<LiveDisk> disks;
  for (const pugi::xml_node& node : domain.child("devices").children("disk")) {
    LiveDisk disk{.target = node.child("target").attribute("dev").value()};
    const pugi::xml_node source = node.child("source");
    if (absl::string_view(source.attribute("protocol").value()) == "rbd") {
      disk.source = source.attribute("name").value();
    }
    disk.was_attached =
        absl::StartsWith(node.child("alias").attribute("name").value(), kAliasPrefix);
    disks.push_back(std::move(disk));
  }
  return disks;
}

absl::StatusOr<std::string> RenderAttachment(const DomainSpec& spec, size_t index,
                                             const std::vector<LiveDisk>& live) {
  RETURN_IF_ERROR(CheckDisks(spec));
  DomainSpec placed = spec;
  RbdDisk& disk = placed.disks[index];
  ASSIGN_OR_RETURN(disk.target, FreeTarget(disk.target, live));
  pugi::xml_document document;
  WriteDisks(document, placed);
  auto node = document.children("disk").begin();
  std::advance(node, index);
  node->append_child("alias").append_attribute("name").set_value(
      absl::StrCat(kAliasPrefix, disk.image).c_str());
  std::ostringstream text;
  node->print(text);
  return text.str();
}

}  // namespace hvagent::domain_xml
