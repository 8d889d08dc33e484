// Makes an image of a VM's root disk, while the guest runs or not.
//
// As nova's direct snapshot (SEMANTICS: snapshot, clone into the pool of images, flatten, protect),
// with what that lacks: the guest's file systems are frozen for the moment of the snapshot, the
// image gets its name only when it is whole, and every step is found again after a crash by the
// operation's id, which is part of each name.
#ifndef HVAGENT_AGENT_OPERATIONS_VM_SNAPSHOT_H_
#define HVAGENT_AGENT_OPERATIONS_VM_SNAPSHOT_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/running_operation.h"
#include "base/uuid.h"
#include "hvagent/v1/vm_service.pb.h"

namespace hvagent::operations {

// Before the OperationTag in the name of the snapshot of the root disk that an image is made from.
inline constexpr char kVmSnapshotPrefix[] = "hvagent-";

// Thread-safe; blocks on Ceph and libvirt.
class VmSnapshot {
 public:
  // Both outlive this object.
  VmSnapshot(ImageCatalog& images, hypervisor::Hypervisor& hypervisor, std::string vms_pool)
      : images_(images), hypervisor_(hypervisor), vms_pool_(std::move(vms_pool)) {}

  // What can be refused at once. Errors: INVALID_ARGUMENT (image_id), ALREADY_EXISTS
  // (IMAGE_EXISTS).
  absl::Status Check(absl::string_view image_id);

  // The job of an operation whose request is a v1::SnapshotVmRequest with the VM's UUID as its id.
  // Errors: ALREADY_EXISTS (IMAGE_EXISTS), FAILED_PRECONDITION (GUEST_AGENT_UNRESPONSIVE),
  // NOT_FOUND (IMAGE_NOT_FOUND: the root disk), or of Ceph and libvirt. Nothing is left then.
  absl::StatusOr<OperationResult> Run(RunningOperation& operation);

 private:
  struct Job;

  absl::StatusOr<v1::Image> Make(const Job& job);
  absl::Status Stage(const Job& job);
  // The snapshot of the root disk, with the guest at rest if that can be.
  absl::Status TakeSnapshot(const Job& job);
  absl::Status Freeze(const Job& job);
  void Thaw(const Job& job);
  // Idempotent.
  absl::Status RemoveSource(const Job& job);

  ImageCatalog& images_;
  hypervisor::Hypervisor& hypervisor_;
  const std::string vms_pool_;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_VM_SNAPSHOT_H_
