// The monitor map as the monitors tell it.
#ifndef HVAGENT_AGENT_BLOCK_MON_MAP_H_
#define HVAGENT_AGENT_BLOCK_MON_MAP_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"

namespace hvagent::block {

struct MonMap {
  std::string fsid;
  std::vector<Monitor> monitors;  // in the map's order
};

// Parses what the command `mon dump` answers in JSON. Addresses of other kinds than v1 and v2 are
// left out.
// Errors: INTERNAL (CEPH_MON_MAP) if it is not such an answer, or a monitor has no address.
absl::StatusOr<MonMap> ParseMonMap(absl::string_view json);

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_MON_MAP_H_
