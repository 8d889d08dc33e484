#include "domain_xml/domain_xml.h"

#include <pugixml.hpp>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/xml_io.h"
#include "domain_xml/xml_parts.h"
#include "domain_xml/xml_words.h"

namespace hvagent::domain_xml {
namespace {

absl::Status CheckSpec(const DomainSpec& spec) {
  RETURN_IF_ERROR(CheckGivenText("name", spec.name));
  RETURN_IF_ERROR(CheckMark(spec.mark));
  RETURN_IF_ERROR(CheckMachine(spec));
  RETURN_IF_ERROR(CheckDisks(spec));
  RETURN_IF_ERROR(CheckNics(spec));
  return CheckOtherDevices(spec);
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

}  // namespace

absl::StatusOr<std::string> Render(const DomainSpec& spec) {
  RETURN_IF_ERROR(CheckSpec(spec));

  pugi::xml_document document;
  pugi::xml_node domain = AddWith(document, "domain", "type", WordOf(kDomainTypes, spec.type));
  AddText(domain, "name", spec.name);
  AddText(domain, "uuid", spec.uuid.ToString());
  WriteMachine(domain, WriteMark(domain, spec.mark), spec);
  pugi::xml_node devices = domain.append_child("devices");
  WriteMachinePorts(devices, spec);
  WriteDisks(devices, spec);
  WriteNics(devices, spec);
  WriteOtherDevices(devices, spec);

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

absl::StatusOr<DomainSpec> Parse(absl::string_view xml) {
  pugi::xml_document document;
  ASSIGN_OR_RETURN(pugi::xml_node domain, LoadDomain(document, xml));
  const pugi::xml_node mark = FindMark(domain);
  if (!mark) {
    return Unreadable("metadata", "has no mark of this agent: the domain is somebody else's");
  }

  DomainSpec spec;
  ASSIGN_OR_RETURN(spec.mark, ReadMark(mark));
  ASSIGN_OR_RETURN(spec.type, ReadWord(kDomainTypes, Attribute(domain, "type"), "domain/@type"));
  spec.name = domain.child("name").text().get();
  ASSIGN_OR_RETURN(spec.uuid, ReadUuid(domain.child("uuid").text().get(), "uuid"));
  RETURN_IF_ERROR(ReadMachine(domain, mark, spec));
  const pugi::xml_node devices = domain.child("devices");
  RETURN_IF_ERROR(ReadDisks(devices, spec));
  RETURN_IF_ERROR(ReadNics(devices, spec));
  RETURN_IF_ERROR(ReadOtherDevices(devices, spec));
  return spec;
}

absl::StatusOr<std::optional<DomainMark>> ParseMark(absl::string_view xml) {
  pugi::xml_document document;
  ASSIGN_OR_RETURN(pugi::xml_node domain, LoadDomain(document, xml));
  const pugi::xml_node mark = FindMark(domain);
  if (!mark) return std::nullopt;
  return ReadMark(mark);
}

}  // namespace hvagent::domain_xml
