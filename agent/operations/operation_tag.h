// How what an operation makes for itself, and takes away again, is named: after the operation and
// after the node that journals it, so that who finds it knows whom to ask.
#ifndef HVAGENT_AGENT_OPERATIONS_OPERATION_TAG_H_
#define HVAGENT_AGENT_OPERATIONS_OPERATION_TAG_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace hvagent::operations {

struct OperationTag {
  std::string operation;  // a UUID
  std::string node;       // empty where an older agent made it

  // "<operation>-<node>", the end of a name.
  std::string ToString() const;
  friend bool operator==(const OperationTag&, const OperationTag&) = default;
};

// nullopt where `text` is no tag.
std::optional<OperationTag> ParseOperationTag(absl::string_view text);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_OPERATION_TAG_H_
