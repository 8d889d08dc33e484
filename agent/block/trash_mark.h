// How agents know again what they put into the trash: only that is theirs to remove from it.
#ifndef HVAGENT_AGENT_BLOCK_TRASH_MARK_H_
#define HVAGENT_AGENT_BLOCK_TRASH_MARK_H_

#include "agent/block/block_store.h"

namespace hvagent::block {

// The metadata key of an image that an agent put into the trash: its value is the image's name.
// Clones copy their parent's metadata, so the mark counts only where it is the image's own.
inline constexpr char kTrashKey[] = "hvagent.trash";

// Whether an agent put the image into the trash.
bool IsTrashedByAgent(const TrashedImage& trashed, const ImageInfo& info);

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_TRASH_MARK_H_
