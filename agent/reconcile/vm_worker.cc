#include "agent/reconcile/vm_worker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/reconcile/guest_secret.h"
#include "agent/reconcile/monitors.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/disk_use.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/live_disks.h"
#include "domain_xml/secret_use.h"
#include "domain_xml/vm_spec.h"

namespace hvagent::reconcile {
namespace {

using v1::RegistryRecord;

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

absl::StatusOr<std::vector<block::ImageName>> WritableDisks(absl::string_view xml) {
  ASSIGN_OR_RETURN(const std::vector<std::string> sources, domain_xml::WritableRbdImagesOf(xml));
  std::vector<block::ImageName> disks;
  for (const std::string& source : sources) disks.push_back(ParseImageName(source));
  return disks;
}

}  // namespace

VmWorker::VmWorker(VmWorkerOptions options, hypervisor::Hypervisor& hypervisor,
                   block::BlockStore& block, registry::Registry& registry, state::StateStore& state)
    : options_(std::move(options)),
      hypervisor_(hypervisor),
      block_(block),
      state_(state),
      disks_(block, options_.images_pool, options_.vms_pool, options_.volumes_pool),
      registrar_(registry, block, options_.node_name) {}

absl::StatusOr<ObservedVm> VmWorker::Observe(const state::VmRecord& vm) {
  ASSIGN_OR_RETURN(ObservedVm observed, LookAtDomain(vm));
  observed.registration = registrar_.Look(vm.uuid);
  observed.known_addresses = observed.registration.Addresses();
  return observed;
}

absl::StatusOr<ObservedVm> VmWorker::LookAtDomain(const state::VmRecord& vm) {
  ObservedVm observed;
  ASSIGN_OR_RETURN(observed.domain, Optional(hypervisor_.GetDomain(vm.uuid)));
  if (observed.domain.has_value()) {
    ASSIGN_OR_RETURN(const auto xml, Optional(hypervisor_.GetDomainXml(vm.uuid)));
    if (!xml.has_value()) {
      observed.domain.reset();  // It went between the two calls.
    } else {
      const auto mark = domain_xml::ParseMark(*xml);
      observed.domain_is_ours = mark.ok() && mark->has_value();
      const bool does_not_run = DoesNotRun(*observed.domain);
      if (observed.domain_is_ours) {
        observed.marked_epoch = (*mark)->epoch;
        ASSIGN_OR_RETURN(observed.older,
                         LookAtOlderSpec(vm, *xml, (*mark)->generation, does_not_run));
      }
      if (observed.domain_is_ours && !does_not_run) {
        ASSIGN_OR_RETURN(observed.writable_disks, WritableDisks(*xml));
      }
      observed.definition_is_stale =
          observed.domain_is_ours && does_not_run && IsStale(*xml, **mark);
    }
  }
  // libvirt gives no name twice, so who has it need not be asked for.
  if (observed.domain.has_value() && observed.domain->name == vm.spec.name()) return observed;
  ASSIGN_OR_RETURN(auto by_name, Optional(hypervisor_.GetDomainByName(vm.spec.name())));
  if (by_name.has_value() && by_name->uuid != vm.uuid) observed.name_holder = std::move(by_name);
  return observed;
}

absl::StatusOr<std::optional<OlderDomain>> VmWorker::LookAtOlderSpec(const state::VmRecord& vm,
                                                                     absl::string_view xml,
                                                                     int64_t generation,
                                                                     bool does_not_run) {
  if (generation == vm.generation) return std::nullopt;
  ASSIGN_OR_RETURN(std::optional<v1::VmSpec> spec, state_.GetFormerSpec(vm.uuid, generation));
  if (!spec.has_value()) return std::nullopt;
  OlderDomain older{.spec = *std::move(spec), .defined_generation = generation};
  ASSIGN_OR_RETURN(older.disks, domain_xml::LiveDisksOf(xml));
  if (does_not_run) return older;
  const auto definition = hypervisor_.GetDefinition(vm.uuid);
  if (ErrorReason(definition.status()) == "DOMAIN_TRANSIENT") return older;
  RETURN_IF_ERROR(definition.status());
  const auto mark = domain_xml::ParseMark(definition->Reveal());
  if (mark.ok() && mark->has_value()) older.defined_generation = (*mark)->generation;
  return older;
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
  ASSIGN_OR_RETURN(const ObservedVm observed, LookAtDomain(vm));
  if (observed.domain.has_value() && observed.domain_is_ours) return false;
  ASSIGN_OR_RETURN(const bool has_root_disk, disks_.HasRootDisk(vm));
  return !has_root_disk;
}

absl::Status VmWorker::Run(const state::VmRecord& vm, const Action& action, ObservedVm& observed) {
  switch (action.kind) {
    case ActionKind::kWriteRecord:
      return WriteRecord(vm, observed);
    case ActionKind::kPrepareRootDisk:
      return disks_.PrepareRootDisk(vm);
    case ActionKind::kPrepareConfigDrive:
      return disks_.PrepareConfigDrive(vm);
    case ActionKind::kGrowRootDisk:
      return GrowRootDisk(vm);
    case ActionKind::kAttachVolume:
      return AttachVolume(vm, action.volume_id, observed);
    case ActionKind::kDetachVolume:
      return hypervisor_.DetachDisk(vm.uuid, options_.volumes_pool,
                                    domain_xml::VolumeName(action.volume_id));
    case ActionKind::kDefineDomain:
      return DefineDomain(vm, observed.registration.epoch());
    case ActionKind::kStartDomain:
      return StartDomain(vm, observed);
    case ActionKind::kFinishStart:
      return FinishStart(vm, observed.registration);
    case ActionKind::kShutdownDomain:
      return hypervisor_.ShutdownDomain(vm.uuid);
    case ActionKind::kDestroyDomain:
      return hypervisor_.DestroyDomain(vm.uuid);
    case ActionKind::kEndRestart:
      return state_.EndRestart(vm.uuid, vm.generation);
    case ActionKind::kUndefineDomain: {
      const absl::Status status = hypervisor_.UndefineDomain(vm.uuid);
      return absl::IsNotFound(status) ? absl::OkStatus() : status;
    }
    case ActionKind::kRemoveConfigDrive:
      return disks_.RemoveConfigDrive(vm);
    case ActionKind::kRemoveRootDisk:
      return disks_.RemoveRootDisk(vm);
    case ActionKind::kRemoveRecord:
      return registrar_.Remove(vm.uuid, observed.registration);
    case ActionKind::kForgetVm:
      return state_.RemoveVm(vm.uuid);
  }
  return absl::InternalError("unknown action");
}

absl::StatusOr<domain_xml::DomainSpec> VmWorker::Resolve(const v1::VmSpec& spec, int64_t generation,
                                                         int64_t epoch) {
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
  placement.epoch = epoch;
  return domain_xml::ResolveVm(spec, placement);
}

absl::Status VmWorker::WriteRecord(const state::VmRecord& vm, ObservedVm& observed) {
  Registration& registration = observed.registration;
  if (!observed.domain.has_value() || DoesNotRun(*observed.domain)) {
    const bool shall_run = vm.spec.power_state() != v1::STOPPED;
    return registrar_.Write(vm, shall_run ? RegistryRecord::STARTING : RegistryRecord::STOPPED,
                            /*disks=*/{}, observed.marked_epoch, registration);
  }
  // A start that was cut off stays one, so that whoever finds the paused guest finishes it.
  if (observed.domain->state == hypervisor::DomainState::kPaused &&
      registration.state() == RegistryRecord::STARTING) {
    return registrar_.WriteState(vm, RegistryRecord::STARTING, registration);
  }
  if (registration.HasAddressesOf(observed.writable_disks)) {
    return registrar_.WriteState(vm, RegistryRecord::RUNNING, registration);
  }
  return registrar_.Write(vm, RegistryRecord::RUNNING, observed.writable_disks,
                          observed.marked_epoch, registration);
}

absl::Status VmWorker::DefineDomain(const state::VmRecord& vm, int64_t epoch) {
  ASSIGN_OR_RETURN(const domain_xml::DomainSpec spec, Resolve(vm.spec, vm.generation, epoch));
  ASSIGN_OR_RETURN(const std::string xml, domain_xml::Render(spec));
  return hypervisor_.DefineDomain(xml);
}

absl::Status VmWorker::MakeSecretUsable() {
  if (!options_.before_start) return absl::OkStatus();
  ASSIGN_OR_RETURN(const state::SecretBinding secret, GuestSecret(state_, options_.guest_entity));
  return options_.before_start(secret.entity);
}

absl::Status VmWorker::GrowRootDisk(const state::VmRecord& vm) {
  const block::ImageName disk = disks_.RootDisk(vm.uuid);
  const Bytes size = GiB(vm.spec.root_disk().size_gib());
  RETURN_IF_ERROR(block_.AmendImage(disk, {.grow_to = size, .metadata = {}}));
  return hypervisor_.ResizeDisk(vm.uuid, disk.pool, disk.name, size.count());
}

absl::Status VmWorker::AttachVolume(const state::VmRecord& vm, const std::string& id,
                                    ObservedVm& observed) {
  ASSIGN_OR_RETURN(const domain_xml::DomainSpec spec,
                   Resolve(vm.spec, vm.generation, observed.registration.epoch()));
  const auto disk =
      std::find_if(spec.disks.begin(), spec.disks.end(), [&](const domain_xml::RbdDisk& candidate) {
        return candidate.image == domain_xml::VolumeName(id);
      });
  if (disk == spec.disks.end()) return absl::InternalError("the volume is not in the spec");
  RETURN_IF_ERROR(CheckNotInUse(*disk, observed));
  RETURN_IF_ERROR(MakeSecretUsable());
  ASSIGN_OR_RETURN(std::string xml, hypervisor_.GetDomainXml(vm.uuid));
  ASSIGN_OR_RETURN(const auto live, domain_xml::LiveDisksOf(xml));
  const auto index = static_cast<size_t>(disk - spec.disks.begin());
  ASSIGN_OR_RETURN(const std::string attachment, domain_xml::RenderAttachment(spec, index, live));
  RETURN_IF_ERROR(hypervisor_.AttachDisk(vm.uuid, attachment));
  // Whom to fence is known at once, since the guest may write at once.
  ASSIGN_OR_RETURN(xml, hypervisor_.GetDomainXml(vm.uuid));
  ASSIGN_OR_RETURN(const std::vector<block::ImageName> disks, WritableDisks(xml));
  return registrar_.Write(vm, RegistryRecord::RUNNING, disks, /*epoch=*/0, observed.registration);
}

// Of a volume; a root disk is the VM's, and the registry says where that may run. librbd's
// exclusive lock goes to whoever asks for it, so it keeps no second guest away.
absl::Status VmWorker::CheckNotInUse(const domain_xml::RbdDisk& disk, const ObservedVm& observed) {
  if (disk.read_only || disk.shareable) return absl::OkStatus();
  const block::ImageName image = {disk.pool, disk.rados_namespace, disk.image};
  ASSIGN_OR_RETURN(const std::vector<std::string> watchers, block_.ListWatchers(image));
  const auto& known = observed.known_addresses;
  for (const std::string& address : watchers) {
    if (block_.IsOwnWatcher(address)) continue;
    if (std::find(known.begin(), known.end(), address) != known.end()) continue;
    return Error(absl::StatusCode::kUnavailable, "DISK_IN_USE",
                 absl::StrCat("somebody else has ", image.ToString(), " open (", address,
                              "): a guest that was given it too would destroy its data; take it "
                              "from there first. One that died is seen for half a minute"));
  }
  return absl::OkStatus();
}

absl::Status VmWorker::CheckVolumesNotInUse(const state::VmRecord& vm, const ObservedVm& observed) {
  if (vm.spec.volumes().empty() && vm.spec.root_disk().volume().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const domain_xml::DomainSpec spec,
                   Resolve(vm.spec, vm.generation, observed.registration.epoch()));
  for (const domain_xml::RbdDisk& disk : spec.disks) {
    if (disk.pool != options_.volumes_pool) continue;
    RETURN_IF_ERROR(CheckNotInUse(disk, observed));
  }
  return absl::OkStatus();
}

absl::Status VmWorker::StartDomain(const state::VmRecord& vm, ObservedVm& observed) {
  Registration& registration = observed.registration;
  RETURN_IF_ERROR(CheckVolumesNotInUse(vm, observed));
  RETURN_IF_ERROR(MakeSecretUsable());
  // From here on there may be a QEMU whose address nobody knows.
  RETURN_IF_ERROR(
      registrar_.Write(vm, RegistryRecord::STARTING, /*disks=*/{}, /*epoch=*/0, registration));
  RETURN_IF_ERROR(hypervisor_.StartDomainPaused(vm.uuid));
  return FinishStart(vm, registration);
}

// The guest runs only once it is known whom to fence, should this node be lost.
absl::Status VmWorker::FinishStart(const state::VmRecord& vm, Registration& registration) {
  ASSIGN_OR_RETURN(const std::string xml, hypervisor_.GetDomainXml(vm.uuid));
  ASSIGN_OR_RETURN(const std::vector<block::ImageName> disks, WritableDisks(xml));
  RETURN_IF_ERROR(registrar_.Write(vm, RegistryRecord::STARTING, disks, /*epoch=*/0, registration));
  RETURN_IF_ERROR(hypervisor_.ResumeDomain(vm.uuid));
  // Only now may a pause be taken for somebody's wish.
  return registrar_.WriteState(vm, RegistryRecord::RUNNING, registration);
}

}  // namespace hvagent::reconcile
