// Empties the trash of what agents put there, once its delay is over: those of any node, so that
// nothing waits for a node that is gone. What other programs put there is theirs to remove.
#ifndef HVAGENT_AGENT_OPERATIONS_TRASH_PURGE_H_
#define HVAGENT_AGENT_OPERATIONS_TRASH_PURGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "base/clock.h"

namespace hvagent::operations {

// Removes what is due from the pool's trash; an image that still has clones stays for the next
// time. Any number of nodes may do so at once. Returns how many it removed. Blocks on Ceph.
absl::StatusOr<int> PurgeTrash(block::BlockStore& block, const std::string& pool,
                               const Clock& clock);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_TRASH_PURGE_H_
