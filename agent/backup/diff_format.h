// The `rbd diff` format, version 1: what `rbd export-diff` writes and `rbd import-diff` reads
// (Ceph's doc/dev/rbd-diff). After the magic come the header's records in any order, then the
// changes, then the end. Numbers are little endian.
#ifndef HVAGENT_AGENT_BACKUP_DIFF_FORMAT_H_
#define HVAGENT_AGENT_BACKUP_DIFF_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace hvagent::backup {

inline constexpr absl::string_view kDiffMagic = "rbd diff v1\n";
// What rbd reads of a snapshot's name.
inline constexpr size_t kMaxDiffNameBytes = 4096;

enum DiffTag : char {
  kFromSnapshotTag = 'f',  // length (32 bits), name
  kToSnapshotTag = 't',    // length (32 bits), name
  kSizeTag = 's',          // size (64 bits)
  kDataTag = 'w',          // offset (64 bits), length (64 bits), data
  kZerosTag = 'z',         // offset (64 bits), length (64 bits)
  kEndTag = 'e',
};

struct DiffHeader {
  // The snapshot since which it tells what changed; empty: it tells the whole disk.
  std::string from_snapshot;
  // The snapshot that it makes; may be empty.
  std::string to_snapshot;
  // The disk's.
  uint64_t size_bytes = 0;
  friend bool operator==(const DiffHeader&, const DiffHeader&) = default;
};

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_DIFF_FORMAT_H_
