// List calls: how many, and where the next page begins. A page's token is the id of its last
// element, so a page stays right while others are added and removed.
#ifndef HVAGENT_AGENT_SERVICE_PAGING_H_
#define HVAGENT_AGENT_SERVICE_PAGING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace hvagent::service {

inline constexpr int32_t kDefaultPageSize = 100;
inline constexpr int32_t kMaxPageSize = 1000;

// The page size that a request asks for: 0 (or less) is the default, too many is the maximum.
inline size_t PageSize(int32_t requested) {
  if (requested <= 0) return kDefaultPageSize;
  return static_cast<size_t>(std::min(requested, kMaxPageSize));
}

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_PAGING_H_
