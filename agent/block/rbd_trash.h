// The trash of RBD's pools, on one session: what block_store.h says of it.
#ifndef HVAGENT_AGENT_BLOCK_RBD_TRASH_H_
#define HVAGENT_AGENT_BLOCK_RBD_TRASH_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/block/block_store.h"
#include "agent/block/rbd_session.h"

namespace hvagent::block {

absl::Status TrashImage(const RadosSession& session, const ImageName& name, absl::Duration delay);
absl::StatusOr<std::vector<TrashedImage>> ListTrashedImages(const RadosSession& session,
                                                            const std::string& pool,
                                                            const std::string& after, size_t limit);
absl::Status RemoveTrashedImage(const RadosSession& session, const std::string& pool,
                                const std::string& id);
absl::Status RestoreTrashedImage(const RadosSession& session, const std::string& pool,
                                 const std::string& id, const std::string& name);

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_TRASH_H_
