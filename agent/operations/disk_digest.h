// A digest of what a disk holds. It costs little more than reading it does, takes its parts in any
// order, and does not depend on how the zeros came: as holes, as bytes, or as clusters that a file
// leaves out. It tells any accident; it does not withstand who forges, which sha256 is for.
#ifndef HVAGENT_AGENT_OPERATIONS_DISK_DIGEST_H_
#define HVAGENT_AGENT_OPERATIONS_DISK_DIGEST_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hvagent::operations {

// The XXH3 (128 bits) of the disk's size and of the sum, in each 64 bits, of the XXH3 of every
// block that is not zeros, seeded with its number. Not thread-safe.
class DiskDigest {
 public:
  static constexpr size_t kBlockBytes = 4096;

  // Takes a part of the disk, of whole blocks but for the disk's last. Each part once.
  void Add(uint64_t offset_bytes, absl::string_view data);

  // Of a disk of this size: 32 lower-case hexadecimal digits.
  std::string Get(Bytes size) const;

 private:
  uint64_t low_ = 0;
  uint64_t high_ = 0;
};

// As fast as memcmp.
bool IsZeros(absl::string_view bytes);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_DISK_DIGEST_H_
