// A YAML document as a plain tree with line numbers: the bounded, boring subset that a person
// writes. Private to manifest.
#ifndef HVAGENT_MANIFEST_YAML_TREE_H_
#define HVAGENT_MANIFEST_YAML_TREE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hvagent::manifest {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  int line = 0;      // from 1
  std::string text;  // of a scalar
  // The elements of a list; of a map its keys (scalars) and values in turn, as they were written.
  std::vector<YamlNode> children;
};

// "text", "a list": what a message calls a node of that kind.
absl::string_view KindName(YamlNode::Kind kind);

inline constexpr size_t kMaxYamlBytes = size_t{16} << 20;
inline constexpr int kMaxYamlDepth = 64;
inline constexpr size_t kMaxYamlNodes = 1'000'000;

// Errors: INVALID_ARGUMENT (INVALID_YAML), "line 7, column 3: ...": no YAML, no UTF-8, control
// characters, a bound exceeded, more than one document, an anchor, alias or tag, a key that is
// not text.
absl::StatusOr<YamlNode> ParseYaml(absl::string_view yaml);

}  // namespace hvagent::manifest

#endif  // HVAGENT_MANIFEST_YAML_TREE_H_
