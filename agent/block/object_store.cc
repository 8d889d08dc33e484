#include "agent/block/object_store.h"

#include "absl/strings/str_cat.h"

namespace hvagent::block {

std::string ObjectName::ToString() const { return absl::StrCat(pool, "/", name); }

}  // namespace hvagent::block
