// The hands: looks at one VM and carries actions out, one at a time, on the real backends. Every
// action is idempotent: it looks before it acts, since after a crash nothing is replayed.
//
// Thread-safe; blocks on libvirt, librbd and the state. One VM is worked on by one thread at a
// time: that is the caller's care (Reconciler).
#ifndef HVAGENT_AGENT_RECONCILE_VM_WORKER_H_
#define HVAGENT_AGENT_RECONCILE_VM_WORKER_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/reconcile/plan.h"
#include "agent/reconcile/vm_disks.h"
#include "agent/reconcile/vm_registrar.h"
#include "agent/registry/registry.h"
#include "agent/state/state_store.h"
#include "domain_xml/domain_spec.h"

namespace hvagent::reconcile {

// What this node gives to every VM.
struct VmWorkerOptions {
  std::string node_name;
  std::string images_pool = "images";
  std::string vms_pool = "vms";
  std::string volumes_pool = "volumes";
  std::string guest_entity = "client.cinder";
  std::string serial_log_dir;
  // Disks name the monitors' v1 addresses even where all have v2 ones.
  bool prefer_v1_monitors = false;
  // How long the trash keeps the disks of a deleted VM.
  absl::Duration trash_delay = absl::Hours(24);
  // Makes the secret of this entity usable, right before a guest starts with it. May be empty.
  std::function<absl::Status(const std::string& entity)> before_start;
};

class VmWorker {
 public:
  // All that is passed by reference outlives this object.
  VmWorker(VmWorkerOptions options, hypervisor::Hypervisor& hypervisor, block::BlockStore& block,
           registry::Registry& registry, state::StateStore& state);

  // What libvirt and the registry say about the VM now. Errors: libvirt's UNAVAILABLE,
  // DEADLINE_EXCEEDED; the registry's are in the registration.
  absl::StatusOr<ObservedVm> Observe(const state::VmRecord& vm);

  // Carries one action out. `observed` is the look that the action follows from: its registration
  // is kept up to date, the rest is as it was. Errors: of libvirt, Ceph, VmDisks and VmRegistrar,
  // and of DEFINE_DOMAIN FAILED_PRECONDITION (SECRET_NOT_SYNCED, SECRET_CYCLE).
  absl::Status Run(const state::VmRecord& vm, const Action& action, ObservedVm& observed);

  // Whether the VM has neither a domain nor a root disk of ours yet, so that its spec is still a
  // mere wish. Errors: UNAVAILABLE, DEADLINE_EXCEEDED.
  absl::StatusOr<bool> NothingExists(const state::VmRecord& vm);

  // The checks of RESTORE_ROOT_DISK and RESTORE_CONFIG_DRIVE without the disks.
  absl::Status CheckRestorable(const state::VmRecord& vm) { return disks_.CheckRestorable(vm); }

  // Lets a guest run that runs by the agent's wish and that somebody paused by hand; any other is
  // left alone.
  absl::Status EndPauseByHand(const state::VmRecord& vm);

  // The checks of PREPARE_ROOT_DISK without the disk.
  absl::Status CheckRootDiskSource(const v1::VmSpec& spec) {
    return disks_.CheckRootDiskSource(spec);
  }

  // What the VM's domain is on this node, with live monitors and the guests' secret. `epoch` is 0
  // while there is none. Errors: GuestSecret's; of libvirt and Ceph.
  absl::StatusOr<domain_xml::DomainSpec> Resolve(const v1::VmSpec& spec, int64_t generation,
                                                 int64_t epoch = 0);

  const VmWorkerOptions& options() const { return options_; }

 private:
  // What libvirt says about the VM now.
  absl::StatusOr<ObservedVm> LookAtDomain(const state::VmRecord& vm);
  // Whether a start now would use another secret than the one that `xml` names.
  bool IsStale(absl::string_view xml, const domain_xml::DomainMark& mark);
  // What the domain with that XML was made of, where that is not the VM's spec as it is now.
  absl::StatusOr<std::optional<OlderDomain>> LookAtOlderSpec(const state::VmRecord& vm,
                                                             absl::string_view xml,
                                                             int64_t generation, bool does_not_run);
  absl::Status WriteRecord(const state::VmRecord& vm, ObservedVm& observed);
  absl::Status GrowRootDisk(const state::VmRecord& vm);
  absl::Status AttachVolume(const state::VmRecord& vm, const std::string& id, ObservedVm& observed);
  // Errors: UNAVAILABLE (DISK_IN_USE).
  absl::Status CheckNotInUse(const domain_xml::RbdDisk& disk, const ObservedVm& observed);
  absl::Status CheckVolumesNotInUse(const state::VmRecord& vm, const ObservedVm& observed);
  absl::Status MakeSecretUsable();
  absl::Status DefineDomain(const state::VmRecord& vm, int64_t epoch);
  absl::Status StartDomain(const state::VmRecord& vm, ObservedVm& observed);
  absl::Status FinishStart(const state::VmRecord& vm, Registration& registration);
  absl::Status ResumeDomain(const state::VmRecord& vm, ObservedVm& observed);
  absl::Status LeaveOff(const state::VmRecord& vm, ObservedVm& observed);

  const VmWorkerOptions options_;
  hypervisor::Hypervisor& hypervisor_;
  block::BlockStore& block_;
  state::StateStore& state_;
  VmDisks disks_;
  VmRegistrar registrar_;
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_VM_WORKER_H_
