// Writes the `rbd diff` format, in chunks of one size. Not thread-safe.
#ifndef HVAGENT_AGENT_BACKUP_DIFF_WRITER_H_
#define HVAGENT_AGENT_BACKUP_DIFF_WRITER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/backup/diff_format.h"

namespace hvagent::backup {

class DiffWriter {
 public:
  static constexpr size_t kChunkBytes = size_t{1} << 20;
  // Takes the next kChunkBytes of the stream, at its end fewer.
  using Sink = std::function<absl::Status(std::string chunk)>;

  explicit DiffWriter(Sink sink) : sink_(std::move(sink)) {}

  // In this order; changes in theirs. Errors of all: the sink's.
  absl::Status WriteHeader(const DiffHeader& header);
  absl::Status WriteData(uint64_t offset_bytes, absl::string_view data);
  absl::Status WriteZeros(uint64_t offset_bytes, uint64_t length_bytes);
  // Without it a reader takes the stream for one that was cut off.
  absl::Status WriteEnd();

 private:
  absl::Status Put(absl::string_view bytes);

  const Sink sink_;
  std::string chunk_;
};

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_DIFF_WRITER_H_
