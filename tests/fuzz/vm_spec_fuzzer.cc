// Any bytes as a manifest, up to the domain XML of its VMs.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "tests/support/manifest_properties.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hvagent::testing::CheckManifest(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
