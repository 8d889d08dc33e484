// Reads the `rbd diff` format from whoever sent it. What it hands over has been checked: changes
// are within the disk, in order and apart from each other, and the end is one that the sender
// meant.
#ifndef HVAGENT_AGENT_BACKUP_DIFF_READER_H_
#define HVAGENT_AGENT_BACKUP_DIFF_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/backup/diff_format.h"
#include "agent/block/image_io.h"
#include "base/bytes.h"

namespace hvagent::backup {

// Not thread-safe. Useless after an error. Holds at most one piece of the stream and one change,
// whatever lengths the stream claims.
class DiffReader {
 public:
  // The stream's next bytes; empty at its end. May block.
  using Source = std::function<absl::StatusOr<std::string>()>;

  // A disk that claims to be larger than `max_size` is refused.
  DiffReader(Source source, Bytes max_size) : source_(std::move(source)), max_size_(max_size) {}

  // To be called once, first.
  // Errors: INVALID_ARGUMENT (DIFF_REFUSED, saying at which byte what is wrong; TRUNCATED_STREAM),
  // and the source's.
  absl::StatusOr<DiffHeader> ReadHeader();

  // A change of at most kReadBytes, none of whose multiples it crosses. `data` is the extent's;
  // none for zeros.
  struct Change {
    block::Extent extent;
    std::string data;
  };
  // The next change; nullopt once the end has come and nothing is behind it. Errors: as above.
  absl::StatusOr<std::optional<Change>> Next();

 private:
  absl::StatusOr<bool> Fill();
  absl::StatusOr<std::string> Take(size_t count);
  absl::StatusOr<char> TakeTag();
  template <typename Integer>
  absl::StatusOr<Integer> TakeInteger();
  absl::StatusOr<std::string> TakeName();
  absl::Status TakeSize(uint64_t& size_bytes);
  absl::Status TakeRecord(char tag);
  absl::Status TakeEnd();
  absl::Status Refuse(absl::string_view why) const;

  const Source source_;
  const Bytes max_size_;
  std::string piece_;   // of the stream
  size_t at_ = 0;       // what of `piece_` was taken
  uint64_t taken_ = 0;  // of the whole stream
  uint64_t size_bytes_ = 0;
  char tag_ = 0;        // of the first record after the header
  block::Extent rest_;  // what is left of the record that is being read
};

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_DIFF_READER_H_
