#include "agent/operations/vm_snapshot.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/operations/job_runner.h"
#include "agent/reconcile/vm_disks.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/vm_spec.h"
#include "glog/logging.h"

namespace hvagent::operations {
namespace {

constexpr int kThawAttempts = 3;

// What a clone inherits from the root disk and is not true of an image.
const std::vector<std::string>& InheritedKeys() {
  static const auto* const keys =
      new std::vector<std::string>{kSha256Key, kDiskDigestKey, kFormatKey, reconcile::kOwnerKey};
  return *keys;
}

absl::Status ImageExists(absl::string_view id) {
  return Error(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS",
               absl::StrCat("image ", id, " exists: choose another id, or delete it first"));
}

}  // namespace

struct VmSnapshot::Job {
  RunningOperation& operation;
  v1::SnapshotVmRequest request;
  Uuid vm;
  block::SnapshotName source;
  block::ImageName staged;
};

absl::Status VmSnapshot::Check(absl::string_view image_id) {
  RETURN_IF_ERROR(CheckImageId("image_id", image_id));
  const absl::Status there = images_.Get(image_id).status();
  if (absl::IsNotFound(there)) return absl::OkStatus();
  return there.ok() ? ImageExists(image_id) : there;
}

absl::StatusOr<OperationResult> VmSnapshot::Run(RunningOperation& operation) {
  v1::SnapshotVmRequest request;
  if (!operation.begun().request().UnpackTo(&request)) {
    return Error(absl::StatusCode::kInternal, "BAD_JOURNAL",
                 "the journalled request is no snapshot of a VM");
  }
  ASSIGN_OR_RETURN(const Uuid vm, Uuid::Parse(request.id()));
  const Job job = {operation,
                   request,
                   vm,
                   {{vms_pool_, "", domain_xml::RootDiskName(vm)},
                    absl::StrCat(kVmSnapshotPrefix, images_.TagOf(operation.id()).ToString())},
                   images_.StagedNameOf(operation.id())};
  absl::StatusOr<v1::Image> image = Make(job);
  if (IsOpen(image.status())) return image.status();
  absl::Status cleaned = image.ok() ? absl::OkStatus() : images_.RemoveStaged(operation.id());
  if (cleaned.ok()) cleaned = RemoveSource(job);
  if (IsOpen(cleaned)) return cleaned;
  LOG_IF(ERROR, !cleaned.ok()) << "operation " << operation.id() << " leaves "
                               << job.source.ToString() << " or " << job.staged.ToString()
                               << " behind: " << cleaned;
  if (!image.ok()) return image.status();
  return *std::move(image);
}

absl::StatusOr<v1::Image> VmSnapshot::Make(const Job& job) {
  ASSIGN_OR_RETURN(auto made, images_.FindMadeBy(job.operation.id(), job.request.image_id()));
  if (made.has_value()) return *std::move(made);
  RETURN_IF_ERROR(job.operation.CheckGoesOn());
  RETURN_IF_ERROR(Check(job.request.image_id()));
  block::BlockStore& block = images_.block();
  absl::StatusOr<block::ImageInfo> staged = block.GetImage(job.staged);
  if (absl::IsNotFound(staged.status())) {
    RETURN_IF_ERROR(Stage(job));
    staged = block.GetImage(job.staged);
  }
  RETURN_IF_ERROR(staged.status());
  job.operation.SetTotal(staged->size.count());
  const absl::Status flattened = block.FlattenImage(job.staged, [&](Bytes done, Bytes /*total*/) {
    job.operation.SetProgress(done.count());
    return job.operation.CheckGoesOn().ok();
  });
  RETURN_IF_ERROR(job.operation.CheckGoesOn());
  RETURN_IF_ERROR(flattened);
  RETURN_IF_ERROR(block.AmendImage(job.staged, {.metadata = {{kOperationKey, job.operation.id()}},
                                                .remove_metadata = InheritedKeys()}));
  RETURN_IF_ERROR(block.CreateProtectedSnapshot({job.staged, kGoldenSnapshot}));
  RETURN_IF_ERROR(job.operation.CheckGoesOn());
  const absl::Status renamed = block.RenameImage(job.staged, job.request.image_id());
  if (absl::IsAlreadyExists(renamed)) return ImageExists(job.request.image_id());
  RETURN_IF_ERROR(renamed);
  job.operation.SetProgress(staged->size.count());
  return images_.Get(job.request.image_id());
}

absl::Status VmSnapshot::Stage(const Job& job) {
  block::BlockStore& block = images_.block();
  const absl::Status found = block.GetSnapshot(job.source).status();
  if (absl::IsNotFound(found)) {
    RETURN_IF_ERROR(TakeSnapshot(job));
  } else {
    RETURN_IF_ERROR(found);
    // Taken before a restart of the agent, which may have come before the thaw.
    Thaw(job);
  }
  const absl::Status cloned = block.CloneImage(job.source, job.staged);
  return absl::IsAlreadyExists(cloned) ? absl::OkStatus() : cloned;
}

absl::Status VmSnapshot::TakeSnapshot(const Job& job) {
  const absl::Status frozen = Freeze(job);
  const bool goes_on = frozen.ok() || !job.request.require_freeze();
  const absl::Status taken =
      goes_on ? images_.block().CreateProtectedSnapshot(job.source) : absl::OkStatus();
  // Also where freezing failed: the guest may be frozen all the same.
  Thaw(job);
  LOG_IF(INFO, goes_on && !frozen.ok())
      << "operation " << job.operation.id()
      << ": the snapshot is what a power cut would leave: " << frozen;
  return goes_on ? taken : frozen;
}

absl::Status VmSnapshot::Freeze(const Job& job) {
  const absl::Status frozen = hypervisor_.FreezeFilesystems(job.vm);
  // What does not run is at rest.
  const auto reason = ErrorReason(frozen);
  if (reason == "DOMAIN_NOT_RUNNING" || reason == "DOMAIN_NOT_FOUND") return absl::OkStatus();
  return frozen;
}

void VmSnapshot::Thaw(const Job& job) {
  absl::Status thawed;
  for (int attempt = 0; attempt < kThawAttempts; ++attempt) {
    thawed = hypervisor_.ThawFilesystems(job.vm);
    // No agent that could have frozen it, or no guest.
    if (thawed.ok() || absl::IsFailedPrecondition(thawed) || absl::IsNotFound(thawed)) return;
  }
  LOG(ERROR) << "operation " << job.operation.id() << ": the file systems of VM "
             << job.vm.ToString() << " may be frozen still; `virsh domfsthaw " << job.vm.ToString()
             << "` thaws them: " << thawed;
}

absl::Status VmSnapshot::RemoveSource(const Job& job) {
  const absl::Status removed = images_.block().RemoveSnapshot(job.source);
  return absl::IsNotFound(removed) ? absl::OkStatus() : removed;
}

}  // namespace hvagent::operations
