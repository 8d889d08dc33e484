#include "agent/operations/trash_purge.h"

#include <vector>

#include "agent/block/trash_mark.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace hvagent::operations {
namespace {

constexpr size_t kPage = 1000;

}  // namespace

absl::StatusOr<int> PurgeTrash(block::BlockStore& block, const std::string& pool,
                               const Clock& clock) {
  int removed = 0;
  std::vector<block::TrashedImage> page;
  do {
    const std::string after = page.empty() ? "" : page.back().id;
    ASSIGN_OR_RETURN(page, block.ListTrash(pool, after, kPage));
    for (const block::TrashedImage& trashed : page) {
      if (clock.Now() < trashed.kept_until) continue;
      const auto info = block.GetTrashedImage(pool, trashed.id);
      if (absl::IsNotFound(info.status())) continue;  // Another node was faster.
      RETURN_IF_ERROR(info.status());
      if (!block::IsTrashedByAgent(trashed, *info)) continue;
      const absl::Status status = block.RemoveFromTrash(pool, trashed.id);
      // Gone, still needed, or still open: each is right, or passes.
      if (absl::IsNotFound(status) || absl::IsFailedPrecondition(status)) continue;
      RETURN_IF_ERROR(status);
      LOG(INFO) << "image " << pool << "/" << trashed.name << " was removed from the trash";
      ++removed;
    }
  } while (page.size() == kPage);
  return removed;
}

}  // namespace hvagent::operations
