#include "agent/operations/operation_tag.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/uuid.h"

namespace hvagent::operations {
namespace {

constexpr size_t kUuidLength = 36;

}  // namespace

std::string OperationTag::ToString() const { return absl::StrCat(operation, "-", node); }

std::optional<OperationTag> ParseOperationTag(absl::string_view text) {
  OperationTag tag;
  tag.operation = std::string(text.substr(0, kUuidLength));
  if (!Uuid::Parse(tag.operation).ok()) return std::nullopt;
  text.remove_prefix(kUuidLength);
  if (text.empty()) return tag;
  if (!absl::ConsumePrefix(&text, "-") || text.empty()) return std::nullopt;
  tag.node = std::string(text);
  return tag;
}

}  // namespace hvagent::operations
