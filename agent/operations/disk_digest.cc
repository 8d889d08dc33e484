#include "agent/operations/disk_digest.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "xxhash.h"

namespace hvagent::operations {

// They are zeros when they begin with one and equal themselves a byte further on.
bool IsZeros(absl::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

void DiskDigest::Add(uint64_t offset_bytes, absl::string_view data) {
  DCHECK_EQ(offset_bytes % kBlockBytes, 0u);
  for (uint64_t number = offset_bytes / kBlockBytes; !data.empty(); ++number) {
    const absl::string_view block = data.substr(0, kBlockBytes);
    if (!IsZeros(block)) {
      const XXH128_hash_t hash = XXH3_128bits_withSeed(block.data(), block.size(), number);
      low_ += hash.low64;
      high_ += hash.high64;
    }
    data.remove_prefix(block.size());
  }
}

std::string DiskDigest::Get(Bytes size) const {
  const uint64_t words[] = {low_, high_, size.count()};
  const XXH128_hash_t hash = XXH3_128bits(words, sizeof(words));
  return absl::StrCat(absl::Hex(hash.high64, absl::kZeroPad16),
                      absl::Hex(hash.low64, absl::kZeroPad16));
}

}  // namespace hvagent::operations
