// The contents of one open image, for jobs that move many bytes: read and written with many calls
// in flight, and where it has data. Part of the seam of block_store.h, whose errors these calls
// have.
#ifndef HVAGENT_AGENT_BLOCK_IMAGE_IO_H_
#define HVAGENT_AGENT_BLOCK_IMAGE_IO_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hvagent::block {

struct Extent {
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
  bool has_data = false;  // else it reads as zeros

  uint64_t end_bytes() const { return offset_bytes + length_bytes; }
  friend bool operator==(const Extent&, const Extent&) = default;
};

// Reads one image, at a snapshot or as it is now, and leaves no watcher. Diff and Read may be
// called from two threads at once. Destroyed it waits for the reads in flight.
class ImageReader {
 public:
  virtual ~ImageReader() = default;
  virtual Bytes size() const = 0;
  virtual Bytes object_size() const = 0;

  // The extents of a range that differ from the image's snapshot `since`, or, where that is empty,
  // those that have data: in order, apart from each other, each within one object. It may say more
  // than differs, never less. Blocks for a round trip for each object that may have data, several
  // at once.
  // Errors: NOT_FOUND (SNAPSHOT_NOT_FOUND).
  virtual absl::StatusOr<std::vector<Extent>> Diff(const std::string& since, uint64_t offset_bytes,
                                                   uint64_t length_bytes) = 0;

  // Starts a read within the image's size. `done` is called once, at once or from a thread of the
  // library's, and must not block.
  using Done = std::function<void(absl::StatusOr<std::string>)>;
  virtual void Read(uint64_t offset_bytes, size_t length_bytes, Done done) = 0;
};

// Writes one image. Not thread-safe. Destroyed before Finish it waits for what is in flight and
// leaves the image as it is: the caller removes it.
class ImageWriter {
 public:
  virtual ~ImageWriter() = default;
  // Queues a write of a copy of `data`; waits while too many are in flight. Zeros are the caller's
  // to leave out.
  // Errors: of this write or an earlier one; the writer is useless after an error. OUT_OF_RANGE
  // (WRITE_PAST_END).
  virtual absl::Status Write(uint64_t offset_bytes, absl::string_view data) = 0;
  // Queues that the range shall read as zeros; its space is given back where RBD can.
  virtual absl::Status WriteZeros(uint64_t offset_bytes, uint64_t length_bytes) = 0;
  // Changes the size once nothing is in flight; shrinking cuts data off.
  virtual absl::Status Resize(Bytes size) = 0;
  // Waits until everything written so far is on the cluster.
  virtual absl::Status Flush() = 0;
  // Once everything written so far is on the cluster: sets these keys; others stay.
  virtual absl::Status SetMetadata(const std::map<std::string, std::string>& metadata) = 0;
  // Makes a snapshot of everything written so far, not protected. One that is there is left.
  virtual absl::Status CreateSnapshot(const std::string& snapshot) = 0;
  // The same, protected: without the two opens that the store's own call would cost.
  virtual absl::Status CreateProtectedSnapshot(const std::string& snapshot) = 0;
  // Waits until everything written is on the cluster, and closes the image.
  virtual absl::Status Finish() = 0;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_IMAGE_IO_H_
