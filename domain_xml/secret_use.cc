#include "domain_xml/secret_use.h"

#include <algorithm>
#include <pugixml.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "secrets/secret_bytes.h"

namespace hvagent::domain_xml {
namespace {

absl::Status Unreadable(absl::string_view problem) {
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_DOMAIN_XML",
               absl::StrCat("domain XML: ", problem));
}

// Domain XML and the ceph secrets in it. Parsed in place, so that names and values stand where
// they stood in the text, and no copy of the text, which may hold passwords, is left behind.
class SecretFinder {
 public:
  explicit SecretFinder(absl::string_view xml) : text_(xml) {}
  ~SecretFinder() { secrets::WipeString(text_); }

  SecretFinder(const SecretFinder&) = delete;
  SecretFinder& operator=(const SecretFinder&) = delete;

  // The <secret> elements, in order.
  absl::StatusOr<std::vector<pugi::xml_node>> Find() {
    const pugi::xml_parse_result result = document_.load_buffer_inplace(
        text_.data(), text_.size(), pugi::parse_default, pugi::encoding_utf8);
    if (!result)
      return Unreadable(absl::StrCat("at byte ", result.offset, ": ", result.description()));
    if (absl::string_view(document_.document_element().name()) != "domain") {
      return Unreadable("root element: is not <domain>");
    }
    // <auth> stands under <disk> or its <source>, and that of a mirror or a backing store deeper.
    pugi::xpath_node_set found =
        document_.select_nodes("/domain/devices/disk//auth/secret[@type='ceph']");
    found.sort();
    std::vector<pugi::xml_node> secrets;
    for (const pugi::xpath_node& entry : found) secrets.push_back(entry.node());
    return secrets;
  }

  // Where the name of an attribute of Find's stands in the text that was given.
  size_t OffsetOf(pugi::xml_attribute attribute) const {
    return static_cast<size_t>(attribute.name() - text_.data());
  }

 private:
  std::string text_;
  pugi::xml_document document_;
};

absl::StatusOr<SecretUse> ReadUse(pugi::xml_node secret) {
  SecretUse use{.username = secret.parent().attribute("username").value(),
                .usage = secret.attribute("usage").value()};
  const pugi::xml_attribute uuid = secret.attribute("uuid");
  if (!uuid && use.usage.empty()) return Unreadable("disk/auth/secret: names no secret");
  if (!uuid) return use;
  const absl::StatusOr<Uuid> parsed = Uuid::Parse(uuid.value());
  if (!parsed.ok()) {
    return Unreadable(absl::StrCat("disk/auth/secret/@uuid: ", parsed.status().message()));
  }
  use.uuid = *parsed;
  use.usage.clear();
  return use;
}

// The attribute by which `secret` names the secret `from`, or a null one.
pugi::xml_attribute NamingAttribute(pugi::xml_node secret, const Uuid& from,
                                    absl::string_view from_usage) {
  if (const pugi::xml_attribute uuid = secret.attribute("uuid")) {
    const absl::StatusOr<Uuid> named = Uuid::Parse(uuid.value());
    return named.ok() && *named == from ? uuid : pugi::xml_attribute();
  }
  const pugi::xml_attribute usage = secret.attribute("usage");
  return !from_usage.empty() && usage.value() == from_usage ? usage : pugi::xml_attribute();
}

}  // namespace

absl::StatusOr<std::vector<SecretUse>> SecretUses(absl::string_view xml) {
  SecretFinder finder(xml);
  ASSIGN_OR_RETURN(const std::vector<pugi::xml_node> secrets, finder.Find());
  std::vector<SecretUse> uses;
  for (const pugi::xml_node secret : secrets) {
    ASSIGN_OR_RETURN(SecretUse use, ReadUse(secret));
    if (std::find(uses.begin(), uses.end(), use) == uses.end()) uses.push_back(std::move(use));
  }
  return uses;
}

absl::StatusOr<std::optional<std::string>> ReplaceSecret(absl::string_view xml, const Uuid& from,
                                                         absl::string_view from_usage,
                                                         const Uuid& to) {
  SecretFinder finder(xml);
  ASSIGN_OR_RETURN(const std::vector<pugi::xml_node> secrets, finder.Find());
  const std::string use = absl::StrCat("uuid='", to.ToString(), "'");
  std::string replaced;
  // Text that grows would leave copies of itself behind.
  replaced.reserve(xml.size() + secrets.size() * use.size());
  size_t copied = 0;  // of `xml`
  for (const pugi::xml_node secret : secrets) {
    const pugi::xml_attribute attribute = NamingAttribute(secret, from, from_usage);
    if (!attribute) continue;
    const size_t begin = finder.OffsetOf(attribute);
    // Between the name of an attribute and its value are only '=' and white space.
    const size_t opening = xml.find_first_of("'\"", begin);
    const size_t closing = xml.find(xml[opening], opening + 1);
    absl::StrAppend(&replaced, xml.substr(copied, begin - copied), use);
    copied = closing + 1;
  }
  if (copied == 0) return std::nullopt;
  absl::StrAppend(&replaced, xml.substr(copied));
  return replaced;
}

}  // namespace hvagent::domain_xml
