// Any bytes as domain XML: Parse refuses or reads them, and what it read can be written and read
// back as the same; and a secret that is replaced is used no more, while every other use is kept.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/strings/string_view.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/secret_use.h"

namespace {

using hvagent::Uuid;
using hvagent::domain_xml::SecretUse;

bool Names(const SecretUse& use, const Uuid& uuid, absl::string_view usage) {
  return use.uuid.has_value() ? use.uuid == uuid : use.usage == usage;
}

// Replaces each secret that is used.
void CheckReplacements(absl::string_view xml) {
  const Uuid to = *Uuid::Parse("4810c760-dc42-4e5f-9d41-7346db7d7da2");
  const auto uses = hvagent::domain_xml::SecretUses(xml);
  if (!uses.ok()) return;
  for (const SecretUse& use : *uses) {
    const Uuid from = use.uuid.value_or(Uuid());
    const auto replaced = hvagent::domain_xml::ReplaceSecret(xml, from, use.usage, to);
    if (!replaced.ok() || !replaced->has_value()) std::abort();
    std::vector<SecretUse> expected;
    for (SecretUse after : *uses) {
      if (Names(after, from, use.usage)) after = {.username = after.username, .uuid = to};
      if (std::find(expected.begin(), expected.end(), after) == expected.end()) {
        expected.push_back(after);
      }
    }
    const auto found = hvagent::domain_xml::SecretUses(**replaced);
    if (!found.ok() || *found != expected) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hvagent::domain_xml;  // NOLINT(google-build-using-namespace)
  const absl::string_view xml(reinterpret_cast<const char*>(data), size);
  CheckReplacements(xml);
  const auto mark = ParseMark(xml);
  const auto spec = Parse(xml);
  if (!spec.ok()) return 0;
  if (!mark.ok() || *mark != spec->mark) std::abort();
  // Some specs that can be read cannot be written, such as one whose texts hold controls; but
  // Render itself checks that what it writes reads back the same.
  const auto rendered = Render(*spec);
  if (!rendered.ok() && rendered.status().code() != absl::StatusCode::kInvalidArgument) {
    std::abort();
  }
  return 0;
}
