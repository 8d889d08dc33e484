// The contents of one open image, for jobs that move many bytes: written with many writes in flight.
// Part of the seam of block_store.h, whose errors these calls have.
#ifndef HVAGENT_AGENT_BLOCK_IMAGE_IO_H_
#define HVAGENT_AGENT_BLOCK_IMAGE_IO_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "base/bytes.h"

namespace hvagent::block {

// Writes one image. Not thread-safe. Destroyed before Finish it waits for what is in flight and
// leaves the image as it is: the caller removes it.
class ImageWriter {
 public:
  virtual ~ImageWriter() = default;
  // Queues a write; waits while too many are in flight. Zeros are the caller's to leave out.
  // Errors: of this write or an earlier one; the writer is useless after an error. OUT_OF_RANGE
  // (WRITE_PAST_END).
  virtual absl::Status Write(uint64_t offset_bytes, std::string data) = 0;
  // Changes the size once nothing is in flight; shrinking cuts data off.
  virtual absl::Status Resize(Bytes size) = 0;
  // Waits until everything written is on the cluster, and closes the image.
  virtual absl::Status Finish() = 0;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_IMAGE_IO_H_
