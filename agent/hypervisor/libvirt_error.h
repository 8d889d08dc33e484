// The one place where a libvirt error becomes an absl::Status.
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_ERROR_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_ERROR_H_

#include <libvirt/virterror.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hvagent::hypervisor {

// The calling thread's last libvirt error, as "`what`: <libvirt's message>", with a reason and
// the raw code ("libvirt"; for a system error its errno too, "errno") as payloads. Never OK.
// libvirt keeps one error for each thread and resets it in every call: call this before any other
// libvirt function.
//
// A code says what libvirt refused, seldom in what state things are: look before you act on one.
absl::Status LibvirtError(absl::string_view what);

// As LibvirtError, for an error that is at hand.
absl::Status LibvirtErrorStatus(const virError& error, absl::string_view what);

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_ERROR_H_
