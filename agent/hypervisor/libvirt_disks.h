// The disks of a running guest, as libvirt changes them. Private to the libvirt implementation of
// the seam; each function works on a thread of the connection's. Contracts: hypervisor.h.
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_DISKS_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_DISKS_H_

#include <libvirt/libvirt.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/hypervisor/libvirt_handles.h"
#include "base/uuid.h"

namespace hvagent::hypervisor {

// The domain, or the error "`what` <uuid>: ...".
absl::StatusOr<VirDomain> FindDomain(virConnectPtr connection, const Uuid& uuid,
                                     absl::string_view what);
absl::StatusOr<bool> IsActive(virDomainPtr domain, absl::string_view what);

// `source` is "pool/image" here and below.
absl::Status ResizeLiveDisk(virConnectPtr connection, const Uuid& uuid, const std::string& source,
                            uint64_t size_bytes);
absl::Status AttachLiveDisk(virConnectPtr connection, const Uuid& uuid, const std::string& xml);
absl::Status DetachLiveDisk(virConnectPtr connection, const Uuid& uuid, const std::string& source);

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_DISKS_H_
