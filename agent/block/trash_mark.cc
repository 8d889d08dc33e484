#include "agent/block/trash_mark.h"

namespace hvagent::block {

bool IsTrashedByAgent(const TrashedImage& trashed, const ImageInfo& info) {
  const auto mark = info.metadata.find(kTrashKey);
  return mark != info.metadata.end() && mark->second == trashed.name;
}

}  // namespace hvagent::block
