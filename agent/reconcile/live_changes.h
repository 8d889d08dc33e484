// What a guest that runs with an older spec can be given as it runs, and what waits for its next
// start. Pure; the guest itself says what it has, so nothing is remembered that could be wrong.
#ifndef HVAGENT_AGENT_RECONCILE_LIVE_CHANGES_H_
#define HVAGENT_AGENT_RECONCILE_LIVE_CHANGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain_xml/live_disks.h"
#include "domain_xml/spec_change.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::reconcile {

// A domain of ours whose mark names an older spec than the VM's.
struct OlderDomain {
  // What the running guest was started from, or what is defined when none runs.
  v1::VmSpec spec;
  // The generation in the mark of what is defined.
  int64_t defined_generation = 0;
  std::vector<domain_xml::LiveDisk> disks;
};

struct LiveChanges {
  bool grow_root_disk = false;
  std::vector<std::string> attach;  // ids of volumes
  std::vector<std::string> detach;
  // Field paths: "vcpus", "nics[0]".
  std::vector<std::string> pending_restart;
};

// A disk that neither the older spec nor the agent gave to the guest stays where it is.
LiveChanges CompareWithGuest(const OlderDomain& older, const v1::VmSpec& desired);

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_LIVE_CHANGES_H_
