#include "agent/reconcile/vm_worker.h"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/reconcile/guest_secret.h"
#include "agent/reconcile/monitors.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/secret_use.h"
#include "domain_xml/vm_spec.h"
#include "glog/logging.h"

namespace hvagent::reconcile {
namespace {

using block::ImageInfo;
using block::SnapshotInfo;

constexpr char kGoldenSnapshot[] = "snap";
// How far the cluster's clock may be behind ours when a clone without a mark is taken for one that
// was made here just before a crash.
constexpr absl::Duration kClockTolerance = absl::Seconds(5);

// nullopt when there is no such domain.
template <typename T>
absl::StatusOr<std::optional<T>> Optional(absl::StatusOr<T> result) {
  if (result.ok()) return std::optional<T>(*std::move(result));
  if (absl::IsNotFound(result.status())) return std::optional<T>();
  return std::move(result).status();
}

domain_xml::CephAuth AuthOf(const state::SecretBinding& secret) {
  // libvirt and QEMU call "client.cinder" only "cinder".
  return {.username = secret.entity.substr(secret.entity.find('.') + 1),
          .secret_uuid = secret.uuid};
}

domain_xml::SecretStamp StampOf(const state::SecretBinding& secret) {
  return {.entity = secret.entity,
          .fingerprint = secret.fingerprint,
          .generation_unix_s = secret.generation_unix_s};
}

bool DoesNotRun(const hypervisor::DomainInfo& domain) {
  return domain.state == hypervisor::DomainState::kShutOff ||
         domain.state == hypervisor::DomainState::kCrashed;
}

}  // namespace

VmWorker::VmWorker(VmWorkerOptions options, hypervisor::Hypervisor& hypervisor,
                   block::BlockStore& block, state::StateStore& state)
    : options_(std::move(options)), hypervisor_(hypervisor), block_(block), state_(state) {}

block::ImageName VmWorker::RootDisk(const Uuid& uuid) const {
  return {options_.vms_pool, "", domain_xml::RootDiskName(uuid)};
}

block::SnapshotName VmWorker::GoldenSnapshot(const v1::VmSpec& spec) const {
  return {{options_.images_pool, "", spec.root_disk().image()}, kGoldenSnapshot};
}

absl::StatusOr<ObservedVm> VmWorker::Observe(const state::VmRecord& vm) {
  ObservedVm observed;
  ASSIGN_OR_RETURN(observed.domain, Optional(hypervisor_.GetDomain(vm.uuid)));
  if (observed.domain.has_value()) {
    ASSIGN_OR_RETURN(const auto xml, Optional(hypervisor_.GetDomainXml(vm.uuid)));
    if (!xml.has_value()) {
      observed.domain.reset();  // It went between the two calls.
    } else {
      const auto mark = domain_xml::ParseMark(*xml);
      observed.domain_is_ours = mark.ok() && mark->has_value();
      observed.definition_is_stale =
          observed.domain_is_ours && DoesNotRun(*observed.domain) && IsStale(*xml, **mark);
    }
  }
  ASSIGN_OR_RETURN(auto by_name, Optional(hypervisor_.GetDomainByName(vm.spec.name())));
  if (by_name.has_value() && by_name->uuid != vm.uuid) observed.name_holder = std::move(by_name);
  return observed;
}

bool VmWorker::IsStale(absl::string_view xml, const domain_xml::DomainMark& mark) {
  // Where there is no secret to start with, DEFINE_DOMAIN will say so.
  const auto secret = GuestSecret(state_, options_.guest_entity);
  if (!secret.ok()) return false;
  if (mark.secret != StampOf(*secret)) return true;
  const domain_xml::CephAuth auth = AuthOf(*secret);
  const auto uses = domain_xml::SecretUses(xml);
  return !uses.ok() ||
         !std::all_of(uses->begin(), uses->end(), [&](const domain_xml::SecretUse& use) {
           return use.username == auth.username && use.uuid == auth.secret_uuid;
         });
}

absl::StatusOr<bool> VmWorker::NothingExists(const state::VmRecord& vm) {
  ASSIGN_OR_RETURN(const ObservedVm observed, Observe(vm));
  if (observed.domain.has_value() && observed.domain_is_ours) return false;
  ASSIGN_OR_RETURN(const auto disk, Optional(block_.GetImage(RootDisk(vm.uuid))));
  return !disk.has_value() || !IsOurs(vm, *disk);
}

absl::Status VmWorker::Run(const state::VmRecord& vm, const Action& action) {
  switch (action.kind) {
    case ActionKind::kPrepareRootDisk:
      return PrepareRootDisk(vm);
    case ActionKind::kDefineDomain:
      return DefineDomain(vm);
    case ActionKind::kStartDomain:
      return StartDomain(vm);
    case ActionKind::kShutdownDomain:
      return hypervisor_.ShutdownDomain(vm.uuid);
    case ActionKind::kDestroyDomain:
      return hypervisor_.DestroyDomain(vm.uuid);
    case ActionKind::kUndefineDomain: {
      const absl::Status status = hypervisor_.UndefineDomain(vm.uuid);
      return absl::IsNotFound(status) ? absl::OkStatus() : status;
    }
    case ActionKind::kRemoveRootDisk:
      return RemoveRootDisk(vm);
    case ActionKind::kForgetVm:
      return state_.RemoveVm(vm.uuid);
  }
  return absl::InternalError("unknown action");
}

absl::Status VmWorker::CheckImage(const v1::VmSpec& spec) {
  const block::SnapshotName golden = GoldenSnapshot(spec);
  const absl::StatusOr<SnapshotInfo> snapshot = block_.GetSnapshot(golden);
  if (!snapshot.ok()) {
    if (!absl::IsNotFound(snapshot.status())) return snapshot.status();
    return Annotate(snapshot.status(), "root_disk.image");
  }
  if (!snapshot->is_protected) {
    return Error(absl::StatusCode::kFailedPrecondition, "SNAPSHOT_NOT_PROTECTED",
                 absl::StrCat("root_disk.image: snapshot ", golden.ToString(),
                              " is not protected: run `rbd snap protect ", golden.ToString(), "`"));
  }
  if (GiB(spec.root_disk().size_gib()) < snapshot->size) {
    return InvalidField(
        "root_disk.size_gib",
        absl::StrCat(spec.root_disk().size_gib(), " GiB is smaller than image ",
                     spec.root_disk().image(), " of ", snapshot->size.count(), " bytes"));
  }
  return absl::OkStatus();
}

absl::Status VmWorker::PrepareRootDisk(const state::VmRecord& vm) {
  const block::SnapshotName golden = GoldenSnapshot(vm.spec);
  const block::ImageName disk = RootDisk(vm.uuid);
  // The check costs a dozen round trips that the boot need not wait for: it goes on beside the
  // clone, and a clone that should not have been made goes away again.
  std::future<absl::Status> check = std::async([&] { return CheckImage(vm.spec); });
  const absl::Status cloned = block_.CloneImage(golden, disk);
  if (absl::Status unfit = check.get(); !unfit.ok()) {
    const absl::Status removed = cloned.ok() ? block_.RemoveImage(disk) : absl::OkStatus();
    LOG_IF(WARNING, !removed.ok())
        << "cannot remove the clone " << disk.ToString() << " of an unfit image: " << removed;
    return unfit;
  }
  if (absl::IsAlreadyExists(cloned)) {
    ASSIGN_OR_RETURN(const ImageInfo info, block_.GetImage(disk));
    if (!IsOurs(vm, info)) {
      return Error(absl::StatusCode::kAlreadyExists, "ROOT_DISK_NOT_OURS",
                   absl::StrCat("image ", disk.ToString(),
                                " exists and was not made for this VM; it is left alone: choose "
                                "another UUID, or remove the image"));
    }
  } else if (!cloned.ok()) {
    return cloned;
  }
  return block_.AmendImage(disk, {.grow_to = GiB(vm.spec.root_disk().size_gib()),
                                  .metadata = {{kOwnerKey, vm.uuid.ToString()}}});
}

bool VmWorker::IsOurs(const state::VmRecord& vm, const ImageInfo& disk) const {
  const auto owner = disk.metadata.find(kOwnerKey);
  if (owner != disk.metadata.end()) return owner->second == vm.uuid.ToString();
  // A crash between clone and mark leaves a bare clone of our image, younger than the VM's record.
  return disk.parent == GoldenSnapshot(vm.spec) && disk.snapshots.empty() &&
         disk.create_time >= vm.create_time - kClockTolerance;
}

absl::StatusOr<domain_xml::DomainSpec> VmWorker::Resolve(const v1::VmSpec& spec,
                                                         int64_t generation) {
  ASSIGN_OR_RETURN(const state::SecretBinding secret, GuestSecret(state_, options_.guest_entity));
  ASSIGN_OR_RETURN(const hypervisor::HostInfo host, hypervisor_.GetHost());
  ASSIGN_OR_RETURN(const block::ClusterInfo cluster, block_.GetCluster());
  domain_xml::Placement placement;
  placement.node = options_.node_name;
  placement.type = host.kvm ? domain_xml::DomainType::kKvm : domain_xml::DomainType::kQemu;
  placement.vms_pool = options_.vms_pool;
  placement.volumes_pool = options_.volumes_pool;
  placement.monitors = GuestMonitors(cluster.monitors, options_.prefer_v1_monitors);
  placement.auth = AuthOf(secret);
  placement.secret = StampOf(secret);
  placement.serial_log_dir = options_.serial_log_dir;
  placement.generation = generation;
  return domain_xml::ResolveVm(spec, placement);
}

absl::Status VmWorker::DefineDomain(const state::VmRecord& vm) {
  ASSIGN_OR_RETURN(const domain_xml::DomainSpec spec, Resolve(vm.spec, vm.generation));
  ASSIGN_OR_RETURN(const std::string xml, domain_xml::Render(spec));
  return hypervisor_.DefineDomain(xml);
}

absl::Status VmWorker::StartDomain(const state::VmRecord& vm) {
  if (options_.before_start) {
    ASSIGN_OR_RETURN(const state::SecretBinding secret, GuestSecret(state_, options_.guest_entity));
    RETURN_IF_ERROR(options_.before_start(secret.entity));
  }
  return hypervisor_.StartDomain(vm.uuid);
}

absl::Status VmWorker::RemoveRootDisk(const state::VmRecord& vm) {
  const block::ImageName disk = RootDisk(vm.uuid);
  const absl::StatusOr<ImageInfo> info = block_.GetImage(disk);
  if (absl::IsNotFound(info.status())) return absl::OkStatus();
  if (!info.ok()) return info.status();
  // A disk that is somebody else's stays, and does not keep our record from going.
  if (!IsOurs(vm, *info)) return absl::OkStatus();
  const absl::Status removed = block_.RemoveImage(disk);
  if (absl::IsNotFound(removed)) return absl::OkStatus();
  if (ErrorReason(removed) == "IMAGE_IN_USE") {
    // The guest was stopped just now; a watch that it left behind lasts 30 s.
    return Error(absl::StatusCode::kUnavailable, "IMAGE_IN_USE", removed.message());
  }
  return removed;
}

}  // namespace hvagent::reconcile
