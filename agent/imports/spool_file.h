// Where an uploaded file is kept while it is read: without a name, so that it goes with whoever has
// it open, however that ends.
#ifndef HVAGENT_AGENT_IMPORTS_SPOOL_FILE_H_
#define HVAGENT_AGENT_IMPORTS_SPOOL_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/unique_fd.h"

namespace hvagent::imports {

struct SpoolOptions {
  std::string folder;
  // The largest file that is taken.
  Bytes max_size = GiB(64);
  // What is left free on the folder's disk, on which the node's state may be too.
  Bytes keep_free = GiB(1);
};

// Not thread-safe.
class SpoolFile {
 public:
  // Makes the folder where it is missing. `expected_size` 0: not known.
  // Errors: RESOURCE_EXHAUSTED (SPOOL_FULL: larger than is taken, or than the disk has room for),
  // FAILED_PRECONDITION (SPOOL_UNUSABLE).
  static absl::StatusOr<SpoolFile> Make(const SpoolOptions& options, uint64_t expected_size);

  // Errors: as of Make.
  absl::Status Append(absl::string_view bytes);

  int fd() const { return file_.get(); }
  uint64_t size() const { return size_; }

 private:
  SpoolFile(SpoolOptions options, UniqueFd file)
      : options_(std::move(options)), file_(std::move(file)) {}

  // Whether `bytes` more may come.
  absl::Status CheckRoom(uint64_t bytes) const;

  SpoolOptions options_;
  UniqueFd file_;
  uint64_t size_ = 0;
  uint64_t checked_to_ = 0;
};

}  // namespace hvagent::imports

#endif  // HVAGENT_AGENT_IMPORTS_SPOOL_FILE_H_
