// Any bytes as domain XML: Parse refuses or reads them, and what it read can be written and read
// back as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "domain_xml/domain_xml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hvagent::domain_xml;  // NOLINT(google-build-using-namespace)
  const absl::string_view xml(reinterpret_cast<const char*>(data), size);
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
