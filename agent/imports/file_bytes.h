// Reads a regular file at offsets, and skips its holes.
#ifndef HVAGENT_AGENT_IMPORTS_FILE_BYTES_H_
#define HVAGENT_AGENT_IMPORTS_FILE_BYTES_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace hvagent::imports {

// Where the file's next bytes at or after `offset` that are not a hole begin and end, as far as the
// file system knows; both are `file_size` when there are none.
struct DataRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};
DataRange NextData(int fd, uint64_t offset, uint64_t file_size);

// Fills `length` bytes from `offset`. Errors: ABORTED (FILE_CHANGED: it ends before),
// FAILED_PRECONDITION (FILE_UNREADABLE).
absl::Status ReadFully(int fd, uint64_t offset, size_t length, char* bytes);

}  // namespace hvagent::imports

#endif  // HVAGENT_AGENT_IMPORTS_FILE_BYTES_H_
