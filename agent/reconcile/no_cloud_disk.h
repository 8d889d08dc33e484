// The disk that cloud-init's NoCloud data source reads: an ISO 9660 file system with the label
// "CIDATA" (ISO 9660 knows no lower case; cloud-init takes both) and the files user-data, meta-data
// and network-config.
// (docs.cloud-init.io/en/latest/reference/datasources/nocloud.html)
#ifndef HVAGENT_AGENT_RECONCILE_NO_CLOUD_DISK_H_
#define HVAGENT_AGENT_RECONCILE_NO_CLOUD_DISK_H_

#include <string>

#include "absl/status/statusor.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::reconcile {

// The whole disk, at most a few MiB: a multiple of 2048 bytes. `spec` is valid and has a
// cloud_init. Thread-safe. Errors: INTERNAL (no memory, or no room in the folder for temporary
// files, where libarchive keeps what it writes until it knows all sizes).
absl::StatusOr<std::string> MakeNoCloudDisk(const v1::VmSpec& spec);

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_NO_CLOUD_DISK_H_
