#include "agent/reconcile/vm_registrar.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "google/protobuf/util/message_differencer.h"

namespace hvagent::reconcile {
namespace {

using block::ImageName;
using google::protobuf::util::MessageDifferencer;
using v1::RegistryRecord;

absl::Status OwnedElsewhere(const RegistryRecord& record) {
  return Error(absl::StatusCode::kFailedPrecondition, "VM_OWNED_ELSEWHERE",
               absl::StrCat("VM ", record.spec().uuid(), " (", record.spec().name(),
                            ") belongs to node ", record.node(), " since epoch ", record.epoch(),
                            ": this node leaves it alone; ask ", record.node(),
                            " for it, or delete it here"));
}

absl::Status NotWatched(const ImageName& disk) {
  return Error(absl::StatusCode::kUnavailable, "DISK_NOT_WATCHED",
               absl::StrCat("nobody watches image ", disk.ToString(),
                            ", which the guest's QEMU has open: its address cannot be recorded "
                            "until the cluster shows it"));
}

bool IsOf(const RegistryRecord::Disk& recorded, const ImageName& disk) {
  return recorded.pool() == disk.pool && recorded.rados_namespace() == disk.rados_namespace &&
         recorded.image() == disk.name;
}

}  // namespace

ImageName ParseImageName(absl::string_view source) {
  const std::vector<std::string> parts = absl::StrSplit(source, '/');
  if (parts.size() == 3) return {parts[0], parts[1], parts[2]};
  return {parts.front(), "", parts.size() == 2 ? parts[1] : ""};
}

bool Registration::Says(const state::VmRecord& vm) const {
  return entry.has_value() && entry->record.generation() == vm.generation &&
         MessageDifferencer::Equals(entry->record.spec(), vm.spec);
}

std::vector<std::string> Registration::Addresses() const {
  std::vector<std::string> addresses;
  if (!entry.has_value()) return addresses;
  for (const RegistryRecord::Disk& disk : entry->record.disks()) {
    addresses.insert(addresses.end(), disk.addresses().begin(), disk.addresses().end());
  }
  return addresses;
}

bool Registration::HasAddressesOf(const std::vector<ImageName>& disks) const {
  if (!entry.has_value()) return false;
  const auto& recorded = entry->record.disks();
  return std::all_of(disks.begin(), disks.end(), [&](const ImageName& disk) {
    return std::any_of(recorded.begin(), recorded.end(), [&](const RegistryRecord::Disk& one) {
      return IsOf(one, disk) && !one.addresses().empty();
    });
  });
}

Registration VmRegistrar::Look(const Uuid& vm) {
  absl::StatusOr<std::optional<registry::Entry>> entry = registry_.Get(vm);
  if (!entry.ok()) return {.status = std::move(entry).status(), .entry = {}};
  Registration registration{.status = absl::OkStatus(), .entry = *std::move(entry)};
  if (registration.entry.has_value() && registration.entry->record.node() != node_) {
    registration.status = OwnedElsewhere(registration.entry->record);
  }
  return registration;
}

absl::Status VmRegistrar::Write(const state::VmRecord& vm, State state,
                                const std::vector<ImageName>& disks, int64_t epoch,
                                Registration& registration) {
  ASSIGN_OR_RETURN(Disks with_addresses, ReadAddresses(disks));
  return Put(vm, state, std::move(with_addresses), epoch, registration);
}

absl::Status VmRegistrar::WriteState(const state::VmRecord& vm, State state,
                                     Registration& registration) {
  Disks disks;
  if (registration.entry.has_value()) disks = registration.entry->record.disks();
  return Put(vm, state, std::move(disks), /*epoch=*/0, registration);
}

absl::Status VmRegistrar::Put(const state::VmRecord& vm, State state, Disks disks, int64_t epoch,
                              Registration& registration) {
  RETURN_IF_ERROR(registration.status);
  RegistryRecord record;
  if (registration.entry.has_value()) {
    record = registration.entry->record;
  } else {
    record.set_node(node_);
    record.set_epoch(std::max<int64_t>(epoch, 1));
  }
  *record.mutable_spec() = vm.spec;
  record.set_generation(vm.generation);
  record.set_state(state);
  *record.mutable_disks() = std::move(disks);
  if (registration.entry.has_value() &&
      MessageDifferencer::Equals(record, registration.entry->record)) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(registration.entry, registry_.Put(std::move(record), registration.entry));
  return absl::OkStatus();
}

absl::StatusOr<VmRegistrar::Disks> VmRegistrar::ReadAddresses(const std::vector<ImageName>& disks) {
  Disks with_addresses;
  for (const ImageName& disk : disks) {
    ASSIGN_OR_RETURN(const std::vector<std::string> watchers, block_.ListWatchers(disk));
    RegistryRecord::Disk& recorded = *with_addresses.Add();
    recorded.set_pool(disk.pool);
    recorded.set_rados_namespace(disk.rados_namespace);
    recorded.set_image(disk.name);
    for (const std::string& address : watchers) {
      if (!block_.IsOwnWatcher(address)) recorded.add_addresses(address);
    }
    if (recorded.addresses().empty()) return NotWatched(disk);
  }
  return with_addresses;
}

absl::Status VmRegistrar::Remove(const Uuid& vm, Registration& registration) {
  RETURN_IF_ERROR(registration.status);
  if (!registration.entry.has_value()) return registry_.RemoveFromIndex(node_, vm);
  RETURN_IF_ERROR(registry_.Remove(*registration.entry));
  registration.entry.reset();
  return absl::OkStatus();
}

}  // namespace hvagent::reconcile
