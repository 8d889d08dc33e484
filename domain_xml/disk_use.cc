#include "domain_xml/disk_use.h"

#include <pugixml.hpp>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::domain_xml {
namespace {

absl::StatusOr<std::vector<std::string>> NamesOf(absl::string_view xml, const char* sources) {
  pugi::xml_document document;
  const pugi::xml_parse_result result =
      document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!result || absl::string_view(document.document_element().name()) != "domain") {
    return Error(absl::StatusCode::kInvalidArgument, "INVALID_DOMAIN_XML",
                 absl::StrCat("domain XML: ", result ? "is not <domain>" : result.description()));
  }
  pugi::xpath_node_set found = document.select_nodes(sources);
  found.sort();
  std::vector<std::string> images;
  for (const pugi::xpath_node& source : found) {
    images.emplace_back(source.node().attribute("name").value());
  }
  return images;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> RbdImagesOf(absl::string_view xml) {
  return NamesOf(xml, "/domain/devices/disk//source[@protocol='rbd']");
}

absl::StatusOr<std::vector<std::string>> WritableRbdImagesOf(absl::string_view xml) {
  return NamesOf(xml, "/domain/devices/disk[not(readonly)]//source[@protocol='rbd']");
}

}  // namespace hvagent::domain_xml
