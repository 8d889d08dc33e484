// Makes a volume: blank, or a clone of an image, a snapshot or another volume.
#ifndef HVAGENT_AGENT_OPERATIONS_VOLUME_CREATE_H_
#define HVAGENT_AGENT_OPERATIONS_VOLUME_CREATE_H_

#include "absl/status/statusor.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/volume_catalog.h"
#include "hvagent/v1/volume.pb.h"
#include "hvagent/v1/volume_service.pb.h"

namespace hvagent::operations {

// Before the name of a volume that is not whole yet.
inline constexpr char kStagedVolumePrefix[] = "hvagent-create-";
// That of one that is restored; an OperationTag follows.
inline constexpr char kStagedRestorePrefix[] = "hvagent-restore-";

// As VolumeService.Create. Blocks on Ceph.
//
// The volume is made under a staged name that follows from the request, marked, grown, and renamed
// when it is whole. So nobody sees half a volume, and a request that was cut off is finished by the
// same one again, on any node. One that fails takes back what it made, as far as Ceph lets it.
absl::StatusOr<v1::Volume> CreateVolume(const v1::CreateVolumeRequest& request,
                                        ImageCatalog& images, VolumeCatalog& volumes);

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_VOLUME_CREATE_H_
