// Which monitor addresses a guest's disks name.
#ifndef HVAGENT_AGENT_RECONCILE_MONITORS_H_
#define HVAGENT_AGENT_RECONCILE_MONITORS_H_

#include <vector>

#include "agent/block/block_store.h"
#include "domain_xml/domain_spec.h"

namespace hvagent::reconcile {

// One host for each monitor, in the map's order: the v2 address where every monitor has one, else
// (or with `prefer_v1`, where every monitor has one) the v1 address. Both ends of a mixed list
// would work too, but librados prefers one protocol for all.
std::vector<domain_xml::MonitorHost> GuestMonitors(const std::vector<block::Monitor>& monitors,
                                                   bool prefer_v1);

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_MONITORS_H_
