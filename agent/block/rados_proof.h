// Proves a cephx key the only way there is: by connecting with it.
#ifndef HVAGENT_AGENT_BLOCK_RADOS_PROOF_H_
#define HVAGENT_AGENT_BLOCK_RADOS_PROOF_H_

#include <string>

#include "absl/status/status.h"
#include "agent/block/rbd_session.h"
#include "secrets/ceph_key.h"

namespace hvagent::block {

// Connects to the cluster of `options.config_file` as `entity` with `key`, on a client of its own
// that is gone when this returns. The key goes to librados by its API alone: it is in no argument,
// environment, file, log or admin socket. The copies that librados makes are freed, not wiped.
//
// Errors: UNAUTHENTICATED (CEPH_KEY_REFUSED), as of every key where the cluster does without cephx;
// UNIMPLEMENTED (CEPH_KEY_TYPE): this node's librados knows no keys of that type; UNAVAILABLE
// (CEPH_UNAVAILABLE): no verdict, as without a quorum, or of a wrong key while one of the monitors
// is frozen: librados asks them all before it believes a refusal.
// Blocks: at most options.mon_timeout. Thread-safe.
absl::Status ProveKey(const RbdOptions& options, const std::string& entity,
                      const secrets::CephKey& key);

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RADOS_PROOF_H_
