// Copies a disk out of a file that holds it as it is, in one piece or in many.
#ifndef HVAGENT_AGENT_OPERATIONS_DISK_COPY_H_
#define HVAGENT_AGENT_OPERATIONS_DISK_COPY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "agent/imports/nbd_reader.h"
#include "agent/imports/qcow2_map.h"
#include "agent/operations/running_operation.h"
#include "agent/operations/staged_image.h"

namespace hvagent::operations {

// One read and one write at most. A part of an object, so that several are under way at once.
inline constexpr size_t kPieceBytes = 4 << 20;

// Writes what is not a hole of the file in `extents` to `staged`. Tells the progress, and asks
// `goes_on` between two pieces.
// Errors: ABORTED (FILE_CHANGED), FAILED_PRECONDITION (FILE_UNREADABLE), of Ceph, or what `goes_on`
// says.
absl::Status CopyExtents(int fd, uint64_t file_size,
                         const std::vector<imports::FileExtent>& extents,
                         const imports::GoesOn& goes_on, RunningOperation& operation,
                         StagedImage& staged);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_DISK_COPY_H_
