// Lets a volume stand on its own: copies what it still reads from the image that it was cloned
// from.
#ifndef HVAGENT_AGENT_OPERATIONS_VOLUME_FLATTEN_H_
#define HVAGENT_AGENT_OPERATIONS_VOLUME_FLATTEN_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "agent/operations/running_operation.h"
#include "agent/operations/volume_catalog.h"

namespace hvagent::operations {

// Whether background work may begin now. Must not block.
using IsIdle = std::function<bool()>;

// The job of VOLUME_FLATTEN, as VolumeService.Flatten; its request is a FlattenVolumeRequest. One
// that is to wait ends with UNAVAILABLE (NODE_BUSY) until `is_idle`. Blocks on Ceph.
absl::StatusOr<OperationResult> FlattenVolume(VolumeCatalog& volumes, const IsIdle& is_idle,
                                              RunningOperation& operation);

// Flattens one image as a part of `operation`, of whose progress it is the part from `done_before`
// on. Sets no total. Errors: those of CheckGoesOn and of the block store.
absl::Status FlattenAsPart(block::BlockStore& block, const block::ImageName& image,
                           Bytes done_before, RunningOperation& operation);

// How many clones the image stands on, itself included: 0 without a parent. Looks at each.
absl::StatusOr<uint32_t> CloneDepth(block::BlockStore& block, const block::ImageName& image);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_VOLUME_FLATTEN_H_
