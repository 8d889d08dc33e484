// This node's hand in the registry: what it says of a VM, and how this node changes that, always by
// compare-and-swap on the record that was seen. A VM that is another node's is not changed.
//
// Thread-safe; blocks on Ceph.
#ifndef HVAGENT_AGENT_RECONCILE_VM_REGISTRAR_H_
#define HVAGENT_AGENT_RECONCILE_VM_REGISTRAR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "agent/registry/registry.h"
#include "agent/state/state_store.h"
#include "base/uuid.h"
#include "hvagent/v1/registry.pb.h"

namespace hvagent::reconcile {

// What the registry says of a VM, as it was last read or written here.
struct Registration {
  // OK: the VM is this node's, or nobody's. FAILED_PRECONDITION (VM_OWNED_ELSEWHERE): it is another
  // node's. Otherwise the registry could not be asked, or holds what this agent cannot read.
  absl::Status status;
  // nullopt while the status is OK: the VM is nobody's.
  std::optional<registry::Entry> entry;

  int64_t epoch() const { return entry.has_value() ? entry->record.epoch() : 0; }
  v1::RegistryRecord::State state() const {
    return entry.has_value() ? entry->record.state() : v1::RegistryRecord::STATE_UNSPECIFIED;
  }
  // Whether it has the generation and spec of `vm`.
  bool Says(const state::VmRecord& vm) const;
  // All of the addresses that it has.
  std::vector<std::string> Addresses() const;
  // Whether it has an address for each of these disks.
  bool HasAddressesOf(const std::vector<block::ImageName>& disks) const;
};

class VmRegistrar {
 public:
  using State = v1::RegistryRecord::State;

  // Both outlive this object.
  VmRegistrar(registry::Registry& registry, block::BlockStore& block, std::string node)
      : registry_(registry), block_(block), node_(std::move(node)) {}

  Registration Look(const Uuid& vm);

  // Whose the VM is, and that this node is it, in a new record or that of `registration`, which is
  // kept up to date. A new one gets `epoch`, or 1. Writes nothing where all is so already. With the
  // addresses of the clients that have `disks` open now; for none, none are kept.
  // Errors: `registration.status`; the registry's; UNAVAILABLE (DISK_NOT_WATCHED: a QEMU that has
  // the disk open is not to be seen).
  absl::Status Write(const state::VmRecord& vm, State state,
                     const std::vector<block::ImageName>& disks, int64_t epoch,
                     Registration& registration);

  // As Write, with the addresses that the record has.
  absl::Status WriteState(const state::VmRecord& vm, State state, Registration& registration);

  // Removes the record, and the VM from the node's index.
  absl::Status Remove(const Uuid& vm, Registration& registration);

 private:
  using Disks = google::protobuf::RepeatedPtrField<v1::RegistryRecord::Disk>;

  absl::Status Put(const state::VmRecord& vm, State state, Disks disks, int64_t epoch,
                   Registration& registration);
  absl::StatusOr<Disks> ReadAddresses(const std::vector<block::ImageName>& disks);

  registry::Registry& registry_;
  block::BlockStore& block_;
  const std::string node_;
};

// "pool/image" or "pool/namespace/image", as a domain's XML names a disk.
block::ImageName ParseImageName(absl::string_view source);

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_VM_REGISTRAR_H_
