// A VM as the API states it (v1::VmSpec): whether the wish makes sense, its canonical form, and
// what it becomes on a given node (DomainSpec). Pure; thread-safe.
//
// This is the only place that checks a VmSpec, so agentctl, the service edge and the manifest
// refuse the same things with the same words.
#ifndef HVAGENT_DOMAIN_XML_VM_SPEC_H_
#define HVAGENT_DOMAIN_XML_VM_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/uuid.h"
#include "domain_xml/domain_spec.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::domain_xml {

// Checks everything that can be judged without looking at a node or a cluster.
// Errors: INVALID_ARGUMENT (InvalidField) for the first field that is wrong, its path relative to
// the spec: "root_disk.size_gib: must be from 1 to 65536", "nics[0].mac: ...".
absl::Status ValidateVmSpec(const v1::VmSpec& spec);

// The canonical form of a valid spec: what may be left out is filled in (power state RUNNING,
// caches WRITEBACK, NIC model virtio, boot order), UUIDs and MACs are lower case. Equal wishes
// become equal messages. Idempotent.
v1::VmSpec Normalize(v1::VmSpec spec);

// Where the canonical forms of two specs differ, as field paths ("root_disk.size_gib",
// "volumes[1]"), in the order of the fields; empty when they are the same wish.
std::vector<std::string> DifferingFields(const v1::VmSpec& a, const v1::VmSpec& b);

// What a node and its cluster add to a wish.
struct Placement {
  std::string node;
  DomainType type = DomainType::kQemu;
  std::string vms_pool;
  std::string volumes_pool;
  std::vector<MonitorHost> monitors;
  std::optional<CephAuth> auth;       // none where the cluster has no cephx
  std::optional<SecretStamp> secret;  // which key `auth` leads to, for the domain's mark
  std::string serial_log_dir;         // empty: serial ports are not logged
  int64_t generation = 0;             // of the spec, for the domain's mark
  int64_t epoch = 0;                  // of the VM's placement, for the domain's mark
};

// Where libvirt logs what the guest writes to its serial console.
std::string SerialLogPath(absl::string_view serial_log_dir, absl::string_view uuid);

// The guest that `spec` asks for at that place: the root disk, `<vms_pool>/<uuid>_disk` or a
// volume; then the volumes `<volumes_pool>/volume-<id>`, each with its id as serial unless it
// states another; and last the config drive `<vms_pool>/<uuid>_disk.config`, read-only, as vdz. On
// virtio they are vda, vdb and on, on other buses sda, sdb and on. Errors: as ValidateVmSpec.
absl::StatusOr<DomainSpec> ResolveVm(const v1::VmSpec& spec, const Placement& placement);

// "<uuid>_disk", the name of a VM's root disk in the pool of the VMs.
std::string RootDiskName(const Uuid& vm);
// "<uuid>_disk.config", as nova names it.
std::string ConfigDriveName(const Uuid& vm);
// "volume-<id>", the name of a volume in the pool of the volumes.
std::string VolumeName(absl::string_view id);

// Whether the root disk is the VM's own, made or adopted for it, and so goes with it.
bool OwnsRootDisk(const v1::VmSpec& spec);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_VM_SPEC_H_
