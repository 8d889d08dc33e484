// Any bytes as a manifest: ReadYaml refuses them with one line, or reads a message that can be
// written and read back as the same.
#include <google/protobuf/util/message_differencer.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "hvagent/v1/manifest.pb.h"
#include "manifest/yaml_proto.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view yaml(reinterpret_cast<const char*>(data), size);
  hvagent::v1::Manifest manifest;
  const absl::Status status = hvagent::manifest::ReadYaml(yaml, &manifest);
  if (!status.ok()) {
    if (status.code() != absl::StatusCode::kInvalidArgument ||
        absl::StrContains(status.message(), '\n')) {
      std::abort();
    }
    return 0;
  }
  const auto written = hvagent::manifest::WriteYaml(manifest);
  hvagent::v1::Manifest read_back;
  if (!written.ok() || !hvagent::manifest::ReadYaml(*written, &read_back).ok() ||
      !google::protobuf::util::MessageDifferencer::Equals(manifest, read_back)) {
    std::abort();
  }
  return 0;
}
