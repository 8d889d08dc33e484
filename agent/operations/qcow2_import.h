// Writes the disk in a qcow2 file into a staged image.
#ifndef HVAGENT_AGENT_OPERATIONS_QCOW2_IMPORT_H_
#define HVAGENT_AGENT_OPERATIONS_QCOW2_IMPORT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "agent/imports/nbd_reader.h"
#include "agent/operations/import_options.h"
#include "agent/operations/running_operation.h"
#include "agent/operations/staged_image.h"

namespace hvagent::operations {

// Inspects the file `fd` of `file_size` bytes, creates `staged` in the size of its disk, and writes
// what is data in it: straight out of the file if it is plain, else by the decoder. Progress is in
// bytes of the disk. `goes_on` is asked all along. Errors: as of InspectQcow2, CopyExtents and
// Qcow2Decoder, of Ceph, or what `goes_on` says.
absl::Status CopyQcow2(int fd, uint64_t file_size, const ImportOptions& options,
                       const imports::GoesOn& goes_on, RunningOperation& operation,
                       StagedImage& staged);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_QCOW2_IMPORT_H_
