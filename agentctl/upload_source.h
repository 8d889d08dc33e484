// What is uploaded: a file, or standard input.
#ifndef HVAGENT_AGENTCTL_UPLOAD_SOURCE_H_
#define HVAGENT_AGENTCTL_UPLOAD_SOURCE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace hvagent::agentctl {

// Reads whole chunks, so that a slow pipe does not make many small ones. Not thread-safe.
class UploadSource {
 public:
  // "-" is standard input. Errors: FAILED_PRECONDITION (FILE_UNREADABLE).
  static absl::StatusOr<UploadSource> Open(const std::string& file);

  // 0 when it is not known beforehand.
  uint64_t size() const { return size_; }

  // Fills `chunk` with the next bytes, at most 1 MiB; empty at the end. Blocks.
  // Errors: CANCELLED when `stop_fd` became readable; FAILED_PRECONDITION (FILE_UNREADABLE).
  absl::Status Read(int stop_fd, std::string& chunk);

 private:
  UploadSource(std::string file, UniqueFd fd, uint64_t size)
      : file_(std::move(file)), fd_(std::move(fd)), size_(size) {}

  std::string file_;
  UniqueFd fd_;
  uint64_t size_;
};

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_UPLOAD_SOURCE_H_
