// Which restore point of a chain each byte of the newest one comes from. Pure.
#ifndef HVAGENT_AGENT_BACKUP_CHAIN_MAP_H_
#define HVAGENT_AGENT_BACKUP_CHAIN_MAP_H_

#include <cstdint>
#include <map>
#include <vector>

#include "hvagent/v1/backup.pb.h"

namespace hvagent::backup {

// A set of bytes, as intervals. Not thread-safe.
class ByteSet {
 public:
  struct Interval {
    uint64_t begin = 0;
    uint64_t end = 0;
    friend bool operator==(const Interval&, const Interval&) = default;
  };

  void Add(Interval interval);
  // What of `interval` is not in the set, in order.
  std::vector<Interval> Missing(Interval interval) const;

 private:
  std::map<uint64_t, uint64_t> intervals_;  // from begin to end; apart from each other
};

// A part of the disk that reads as `extent` of the layer's manifest says.
struct Piece {
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
  size_t layer = 0;
  v1::BackupPart::Extent extent;

  uint64_t end_bytes() const { return offset_bytes + length_bytes; }
  // Else a newer layer has changed some of the extent, and its checksum is not the piece's.
  bool is_whole() const { return length_bytes == extent.length_bytes(); }
  bool has_data() const { return extent.has_checksum(); }
};

// The pieces of the newest layer's disk below `end_bytes`, in order. What is in none is zeros.
// `layers` begins with the newest.
std::vector<Piece> Overlay(const std::vector<v1::BackupPart>& layers, uint64_t end_bytes);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_CHAIN_MAP_H_
