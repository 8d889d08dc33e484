#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"

// <metadata>
//   <hvagent:mark xmlns:hvagent="..." node="compute-1" generation="7" epoch="3">
//     <hvagent:secret entity="client.cinder" fingerprint="..." generation="1700000000"/>
//   </hvagent:mark>
// </metadata>
namespace hvagent::domain_xml {
namespace {

constexpr char kPrefix[] = "hvagent";
constexpr char kMarkElement[] = "mark";
constexpr char kStampElement[] = "secret";

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

}  // namespace

absl::Status CheckMark(const DomainMark& mark) {
  RETURN_IF_ERROR(CheckText("mark.agent_node", mark.agent_node));
  if (!mark.secret.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckGivenText("mark.secret.entity", mark.secret->entity));
  return CheckText("mark.secret.fingerprint", mark.secret->fingerprint);
}

pugi::xml_node WriteMark(pugi::xml_node domain, const DomainMark& mark) {
  const std::string element = absl::StrCat(kPrefix, ":", kMarkElement);
  pugi::xml_node node = AddWith(domain.append_child("metadata"), element.c_str(),
                                absl::StrCat("xmlns:", kPrefix).c_str(), kMarkNamespace);
  Set(node, "node", mark.agent_node);
  Set(node, "generation", absl::StrCat(mark.generation));
  if (mark.epoch != 0) Set(node, "epoch", absl::StrCat(mark.epoch));
  if (mark.secret.has_value()) {
    const std::string stamp = absl::StrCat(kPrefix, ":", kStampElement);
    pugi::xml_node secret = AddWith(node, stamp.c_str(), "entity", mark.secret->entity);
    Set(secret, "fingerprint", mark.secret->fingerprint);
    Set(secret, "generation", absl::StrCat(mark.secret->generation_unix_s));
  }
  return node;
}

pugi::xml_node FindMark(pugi::xml_node domain) {
  return OurChild(domain.child("metadata"), kMarkElement);
}

absl::StatusOr<DomainMark> ReadMark(pugi::xml_node node) {
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

}  // namespace hvagent::domain_xml
