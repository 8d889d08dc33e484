#include "domain_xml/vm_spec.h"

#include <google/protobuf/util/message_differencer.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace hvagent::domain_xml {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::util::MessageDifferencer;

// Gathers the paths of the fields that differ.
class PathReporter : public MessageDifferencer::Reporter {
 public:
  explicit PathReporter(std::vector<std::string>& paths) : paths_(paths) {}

  void ReportAdded(const Message&, const Message&,
                   const std::vector<MessageDifferencer::SpecificField>& path) override {
    Report(path);
  }
  void ReportDeleted(const Message&, const Message&,
                     const std::vector<MessageDifferencer::SpecificField>& path) override {
    Report(path);
  }
  void ReportModified(const Message&, const Message&,
                      const std::vector<MessageDifferencer::SpecificField>& path) override {
    // A message that differs is reported after its fields, which say it better.
    const auto* field = path.back().field;
    if (field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return;
    Report(path);
  }

 private:
  void Report(const std::vector<MessageDifferencer::SpecificField>& path) {
    paths_.push_back(absl::StrJoin(path, ".", [](std::string* out, const auto& step) {
      // Without a descriptor it is a field that a newer peer knows.
      if (step.field == nullptr) {
        absl::StrAppend(out, "field ", step.unknown_field_number);
        return;
      }
      absl::StrAppend(out, step.field->name());
      // One of the two is -1 when only one side has the element.
      if (step.field->is_repeated()) {
        absl::StrAppend(out, "[", step.index >= 0 ? step.index : step.new_index, "]");
      }
    }));
  }

  std::vector<std::string>& paths_;
};

v1::CacheMode NormalCache(v1::CacheMode cache) {
  return cache == v1::CACHE_MODE_UNSPECIFIED ? v1::WRITEBACK : cache;
}

CacheMode ToCacheMode(v1::CacheMode cache) {
  switch (cache) {
    case v1::NONE:
      return CacheMode::kNone;
    case v1::WRITETHROUGH:
      return CacheMode::kWritethrough;
    case v1::DIRECTSYNC:
      return CacheMode::kDirectsync;
    case v1::UNSAFE:
      return CacheMode::kUnsafe;
    default:
      return CacheMode::kWriteback;
  }
}

DiscardMode ToDiscardMode(v1::DiscardMode discard) {
  switch (discard) {
    case v1::IGNORE:
      return DiscardMode::kIgnore;
    case v1::UNMAP:
      return DiscardMode::kUnmap;
    default:
      return DiscardMode::kDefault;
  }
}

// Away from the volumes, whose number may change.
constexpr size_t kConfigDriveIndex = 25;

// vda, vdb, ... vdz: validation lets no VM have more disks.
std::string Target(size_t index) { return absl::StrCat("vd", std::string(1, char('a' + index))); }

RbdDisk MakeDisk(const Placement& placement, std::string pool, std::string image) {
  RbdDisk disk;
  disk.pool = std::move(pool);
  disk.image = std::move(image);
  disk.monitors = placement.monitors;
  disk.auth = placement.auth;
  return disk;
}

}  // namespace

v1::VmSpec Normalize(v1::VmSpec spec) {
  absl::AsciiStrToLower(spec.mutable_uuid());
  if (spec.power_state() == v1::POWER_STATE_UNSPECIFIED) spec.set_power_state(v1::RUNNING);
  spec.mutable_root_disk()->set_cache(NormalCache(spec.root_disk().cache()));
  for (v1::VolumeAttachment& volume : *spec.mutable_volumes()) {
    absl::AsciiStrToLower(volume.mutable_id());
    volume.set_cache(NormalCache(volume.cache()));
  }
  for (v1::Nic& nic : *spec.mutable_nics()) {
    absl::AsciiStrToLower(nic.mutable_mac());
    if (nic.model().empty()) nic.set_model("virtio");
  }
  return spec;
}

std::vector<std::string> DifferingFields(const v1::VmSpec& a, const v1::VmSpec& b) {
  std::vector<std::string> paths;
  PathReporter reporter(paths);
  MessageDifferencer differencer;
  differencer.set_message_field_comparison(MessageDifferencer::EQUIVALENT);
  differencer.ReportDifferencesTo(&reporter);
  differencer.Compare(Normalize(a), Normalize(b));
  return paths;
}

absl::StatusOr<DomainSpec> ResolveVm(const v1::VmSpec& spec, const Placement& placement) {
  RETURN_IF_ERROR(ValidateVmSpec(spec));
  const v1::VmSpec vm = Normalize(spec);

  DomainSpec domain;
  ASSIGN_OR_RETURN(domain.uuid, Uuid::Parse(vm.uuid()));
  domain.name = vm.name();
  domain.type = placement.type;
  domain.vcpus = vm.vcpus();
  domain.memory_mib = vm.memory_mib();
  domain.mark = {.agent_node = placement.node,
                 .generation = placement.generation,
                 .epoch = placement.epoch,
                 .secret = placement.secret};
  if (!placement.serial_log_dir.empty()) {
    domain.serial_log_file = absl::StrCat(placement.serial_log_dir, "/", vm.uuid(), ".serial.log");
  }

  RbdDisk root = MakeDisk(placement, placement.vms_pool, RootDiskName(domain.uuid));
  root.cache = ToCacheMode(vm.root_disk().cache());
  root.discard = ToDiscardMode(vm.root_disk().discard());
  root.target = Target(0);
  domain.disks.push_back(std::move(root));
  for (const v1::VolumeAttachment& volume : vm.volumes()) {
    RbdDisk disk =
        MakeDisk(placement, placement.volumes_pool, absl::StrCat("volume-", volume.id()));
    disk.cache = ToCacheMode(volume.cache());
    disk.discard = ToDiscardMode(volume.discard());
    disk.target = Target(domain.disks.size());
    disk.serial = volume.id();
    domain.disks.push_back(std::move(disk));
  }
  if (vm.has_cloud_init()) {
    RbdDisk drive = MakeDisk(placement, placement.vms_pool, ConfigDriveName(domain.uuid));
    drive.read_only = true;
    drive.target = Target(kConfigDriveIndex);
    domain.disks.push_back(std::move(drive));
  }
  for (const v1::Nic& nic : vm.nics()) {
    domain.nics.push_back({.bridge = nic.bridge(),
                           .mac = nic.mac(),
                           .model = nic.model() == "e1000" ? NicModel::kE1000 : NicModel::kVirtio});
  }
  return domain;
}

std::string RootDiskName(const Uuid& vm) { return absl::StrCat(vm.ToString(), "_disk"); }

std::string ConfigDriveName(const Uuid& vm) { return absl::StrCat(RootDiskName(vm), ".config"); }

}  // namespace hvagent::domain_xml
