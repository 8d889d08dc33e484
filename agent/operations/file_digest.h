// The sha256 of a file, on a thread of its own while the file is copied.
#ifndef HVAGENT_AGENT_OPERATIONS_FILE_DIGEST_H_
#define HVAGENT_AGENT_OPERATIONS_FILE_DIGEST_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hvagent::operations {

// Not thread-safe.
class FileDigest {
 public:
  // Begins. `fd` stays open as long as this lives. `goes_on` is asked on that thread.
  FileDigest(int fd, uint64_t file_size, std::function<absl::Status()> goes_on);
  // Gives up what is not done.
  ~FileDigest();
  FileDigest(const FileDigest&) = delete;
  FileDigest& operator=(const FileDigest&) = delete;

  // Waits for the digest, in lower-case hexadecimal. Call it once. Errors: as of
  // imports::ReadFully, or what `goes_on` says.
  absl::StatusOr<std::string> Get();

 private:
  absl::StatusOr<std::string> Compute(int fd, uint64_t file_size) const;

  const std::function<absl::Status()> goes_on_;
  std::atomic<bool> given_up_ = false;
  absl::StatusOr<std::string> result_;
  std::thread thread_;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_FILE_DIGEST_H_
