// libvirt's event loop: it reads what libvirtd sends without being asked (events, keepalives) and
// notices a connection that ends. There is one for the process.
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_EVENT_LOOP_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_EVENT_LOOP_H_

namespace hvagent::hypervisor {

// Prepares libvirt for this process and starts the loop on a thread of its own; must return
// before the first connection is opened. Thread-safe; all calls after the first do nothing.
void StartLibvirtEventLoop();

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_EVENT_LOOP_H_
