// The names of a pool's images, a page at a time.
#ifndef HVAGENT_AGENT_BLOCK_RBD_DIRECTORY_H_
#define HVAGENT_AGENT_BLOCK_RBD_DIRECTORY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/block/rbd_session.h"

namespace hvagent::block {

// As BlockStore::ListImages. One OSD operation for a thousand names, however many images there are.
// Images of format 1, which Ceph makes no more, are not among them.
absl::StatusOr<std::vector<std::string>> ListImageNames(const RadosSession& session,
                                                        const std::string& pool,
                                                        const std::string& after, size_t limit);

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_DIRECTORY_H_
