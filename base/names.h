// Which names may reach libvirt, RBD and the file system. A name outside these sets is refused
// before any effect: '/', '@', ':' and '\' are separators in rbd specs and QEMU filenames, and
// control characters cannot be written in XML 1.0.
#ifndef HVAGENT_BASE_NAMES_H_
#define HVAGENT_BASE_NAMES_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hvagent {

// A VM's display name: ^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$.
// Errors: INVALID_ARGUMENT that quotes the name escaped and cut, for the caller to put a field to.
absl::Status CheckVmName(absl::string_view name);

// A pool, RADOS namespace, image or snapshot: ^[A-Za-z0-9][A-Za-z0-9._-]{0,94}$.
absl::Status CheckRbdName(absl::string_view name);

// A cephx entity of type client: "client." and then an id of [A-Za-z0-9._-], at most 64.
absl::Status CheckClientEntity(absl::string_view entity);

}  // namespace hvagent

#endif  // HVAGENT_BASE_NAMES_H_
