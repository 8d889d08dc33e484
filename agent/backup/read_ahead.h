// Reads extents of an image with many reads in flight and hands them over in the order in which
// they were asked for. Not thread-safe.
#ifndef HVAGENT_AGENT_BACKUP_READ_AHEAD_H_
#define HVAGENT_AGENT_BACKUP_READ_AHEAD_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/backup/job_gate.h"
#include "agent/block/image_io.h"

namespace hvagent::backup {

// One read at most.
inline constexpr uint64_t kReadBytes = uint64_t{4} << 20;

// Reads one range and waits for it.
absl::StatusOr<std::string> ReadNow(block::ImageReader& reader, uint64_t offset_bytes,
                                    uint64_t length_bytes);

class ReadAhead {
 public:
  // Takes the data of one extent; none for zeros.
  using Sink = std::function<absl::Status(const block::Extent& extent, std::string data)>;

  // Both outlive this.
  ReadAhead(block::ImageReader& reader, JobGate& gate, Sink sink)
      : reader_(reader), gate_(gate), sink_(std::move(sink)) {}

  // Starts to read the extent, of at most kReadBytes, or only queues it if it is zeros. Hands over
  // what has been read, and waits for that while too much is in flight. Errors: of the gate, of a
  // read, or of the sink.
  absl::Status Add(const block::Extent& extent);
  bool IsEmpty() const { return pending_.empty(); }
  // Waits for the next that was asked for, which there is, and hands it over.
  absl::Status HandOver();
  // Hands over the rest.
  absl::Status Drain();

 private:
  struct Pending {
    block::Extent extent;
    std::future<absl::StatusOr<std::string>> data;  // not valid for zeros
  };

  block::ImageReader& reader_;
  JobGate& gate_;
  const Sink sink_;
  std::deque<Pending> pending_;
  uint64_t in_flight_bytes_ = 0;
};

// The diff of a range, some of it looked up ahead of who uses it. Not thread-safe.
class DiffAhead {
 public:
  // `reader` outlives this. `since` as in ImageReader::Diff.
  DiffAhead(block::ImageReader& reader, std::string since, uint64_t begin_bytes,
            uint64_t end_bytes);
  // Waits for the look that is under way.
  ~DiffAhead() = default;

  // Whether Next answers without waiting.
  bool IsReady() const;
  // The next extents, perhaps none, each of at most kReadBytes; nullopt at the end.
  absl::StatusOr<std::optional<std::vector<block::Extent>>> Next();

 private:
  void Look();

  block::ImageReader& reader_;
  const std::string since_;
  uint64_t next_bytes_;
  const uint64_t end_bytes_;
  std::future<absl::StatusOr<std::vector<block::Extent>>> ahead_;
};

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_READ_AHEAD_H_
