// Consoles over libvirt's streams.
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_CONSOLE_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_CONSOLE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "agent/hypervisor/console.h"
#include "agent/hypervisor/libvirt_connection.h"
#include "base/uuid.h"

namespace hvagent::hypervisor {

// As Hypervisor::OpenConsole. The console does not need `connection` afterwards.
absl::StatusOr<std::unique_ptr<Console>> OpenLibvirtConsole(LibvirtConnection& connection,
                                                            const Uuid& uuid, bool take_over);

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_CONSOLE_H_
