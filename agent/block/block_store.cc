#include "agent/block/block_store.h"

#include "absl/strings/str_cat.h"

namespace hvagent::block {

std::string ImageName::ToString() const {
  return rados_namespace.empty() ? absl::StrCat(pool, "/", name)
                                 : absl::StrCat(pool, "/", rados_namespace, "/", name);
}

std::string SnapshotName::ToString() const { return absl::StrCat(image.ToString(), "@", snapshot); }

std::string Child::ToString() const {
  return absl::StrCat(image.ToString(), trash_id.empty() ? "" : " (in the trash)");
}

}  // namespace hvagent::block
