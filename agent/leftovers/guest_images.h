// Which rbd images the guests of this node run with, ours and others', as libvirt says.
#ifndef HVAGENT_AGENT_LEFTOVERS_GUEST_IMAGES_H_
#define HVAGENT_AGENT_LEFTOVERS_GUEST_IMAGES_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "agent/hypervisor/hypervisor.h"

namespace hvagent::leftovers {

// "pool/image" or "pool/namespace/image", and how many guests run with it; paused ones, too. Asks
// libvirt once for each guest that runs.
absl::StatusOr<std::map<std::string, uint32_t>> GuestImages(hypervisor::Hypervisor& hypervisor);

}  // namespace hvagent::leftovers

#endif  // HVAGENT_AGENT_LEFTOVERS_GUEST_IMAGES_H_
