#include "agentctl/views.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace hvagent::agentctl {
namespace {

using Conditions = google::protobuf::RepeatedPtrField<v1::Condition>;

// "True", or what is wrong: "False (IMAGE_NOT_FOUND)".
Cell ConditionCell(const Conditions& conditions, const std::string& type) {
  const v1::Condition* const condition = FindCondition(conditions, type);
  if (condition == nullptr) return {"-"};
  if (condition->status() == v1::Condition::TRUE) return {"True", Tone::kGood};
  const std::string word = condition->status() == v1::Condition::FALSE ? "False" : "Unknown";
  if (condition->reason().empty()) return {word, Tone::kBad};
  return {absl::StrCat(word, " (", condition->reason(), ")"), Tone::kBad};
}

std::string MessageOf(const Conditions& conditions, const std::string& type) {
  const v1::Condition* const condition = FindCondition(conditions, type);
  return condition == nullptr ? "" : condition->message();
}

std::string Age(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "-";
  return DurationText(absl::Now() - absl::FromUnixSeconds(time.seconds()));
}

template <typename T>
Row MakeRow(const T& message, const std::string& kind, const std::string& id,
            std::vector<Cell> cells) {
  Row row;
  row.cells = std::move(cells);
  row.name = absl::StrCat(kind, "/", id);
  row.message = std::make_shared<T>(message);
  return row;
}

std::string ProgressText(const v1::Operation& operation) {
  if (operation.bytes_total() == 0) return BytesText(operation.bytes_done());
  return absl::StrFormat("%d%% of %s", operation.bytes_done() * 100 / operation.bytes_total(),
                         BytesText(operation.bytes_total()));
}

Tone ToneOf(v1::Operation::State state) {
  switch (state) {
    case v1::Operation::SUCCEEDED:
      return Tone::kGood;
    case v1::Operation::FAILED:
    case v1::Operation::CANCELLED:
      return Tone::kBad;
    default:
      return Tone::kPlain;
  }
}

}  // namespace

std::vector<Column> NodeColumns() {
  return {{"READY"},
          {"LIBVIRT"},
          {"CEPH"},
          {"TYPE"},
          {"VMS"},
          {"VCPUS"},
          {"MEMORY"},
          {"AGENT"},
          {"NAME", true},
          {"BACKEND", true},
          {"LIBVIRT-VERSION", true},
          {"HYPERVISOR", true},
          {"LIBRBD", true},
          {"FSID", true},
          {"MONITORS", true},
          {"MESSAGE", true}};
}

Row RowOf(const v1::Node& node) {
  const auto& capacity = node.capacity();
  return MakeRow(node, "node", node.name(),
                 {ConditionCell(node.conditions(), "READY"),
                  ConditionCell(node.conditions(), "LIBVIRT_CONNECTED"),
                  ConditionCell(node.conditions(), "CEPH_CONNECTED"),
                  {node.domain_type()},
                  {absl::StrCat(capacity.vms())},
                  {absl::StrCat(capacity.vcpus_of_vms(), "/", capacity.cpus())},
                  {absl::StrCat(capacity.memory_mib_of_vms(), "/", capacity.memory_mib(), " MiB")},
                  {node.versions().agent()},
                  {node.name()},
                  {node.backend()},
                  {node.versions().libvirt()},
                  {node.versions().hypervisor()},
                  {node.versions().librbd()},
                  {node.ceph().fsid()},
                  {absl::StrJoin(node.ceph().monitors(), ",")},
                  {MessageOf(node.conditions(), "READY")}});
}

std::vector<Column> SecretColumns() { return {{"UUID"}, {"ENTITY"}, {"USAGE"}, {"VALUE"}}; }

Row RowOf(const v1::Secret& secret) {
  return MakeRow(secret, "secret", secret.uuid(),
                 {{secret.uuid()},
                  {secret.entity()},
                  {secret.usage()},
                  secret.has_value() ? Cell{"set", Tone::kGood} : Cell{"none", Tone::kBad}});
}

std::vector<Column> ImageColumns() {
  return {{"ID"},         {"SIZE"},          {"READY"},       {"AGE"},
          {"POOL", true}, {"OBJECTS", true}, {"SHA256", true}};
}

Row RowOf(const v1::Image& image) {
  return MakeRow(image, "image", image.id(),
                 {{image.id()},
                  {BytesText(image.size_bytes())},
                  image.ready() ? Cell{"True", Tone::kGood} : Cell{"False", Tone::kBad},
                  {Age(image.create_time())},
                  {image.pool()},
                  {BytesText(image.object_size_bytes())},
                  {image.sha256()}});
}

std::vector<Column> VolumeColumns() {
  return {{"ID"},  {"SIZE"},       {"PARENT"},        {"SNAPSHOTS"},
          {"AGE"}, {"POOL", true}, {"OBJECTS", true}, {"MADE-FROM", true}};
}

Row RowOf(const v1::Volume& volume) {
  return MakeRow(volume, "volume", volume.id(),
                 {{volume.id()},
                  {BytesText(volume.size_bytes())},
                  {volume.parent().empty() ? "-" : volume.parent()},
                  {absl::StrCat(volume.snapshot_count())},
                  {Age(volume.create_time())},
                  {volume.pool()},
                  {BytesText(volume.object_size_bytes())},
                  {volume.made_from().empty() ? "-" : volume.made_from()}});
}

std::vector<Column> VolumeSnapshotColumns() {
  return {{"ID"}, {"NAME"}, {"SIZE"}, {"USED"}, {"PROTECTED"}, {"CLONES"}};
}

Row RowOf(const v1::VolumeSnapshot& snapshot) {
  return MakeRow(snapshot, "snapshot",
                 absl::StrCat(snapshot.volume_id(), "@",
                              snapshot.id().empty() ? snapshot.name() : snapshot.id()),
                 {{snapshot.id().empty() ? "-" : snapshot.id()},
                  {snapshot.name()},
                  {BytesText(snapshot.size_bytes())},
                  {snapshot.has_used_bytes() ? BytesText(snapshot.used_bytes()) : "-"},
                  snapshot.protected_() ? Cell{"True", Tone::kGood} : Cell{"False", Tone::kBad},
                  {snapshot.clones().empty() ? "-" : absl::StrJoin(snapshot.clones(), ",")}});
}

std::vector<Column> BackupColumns() {
  return {{"ID"},     {"SOURCE"}, {"KIND"},       {"SIZE"},
          {"COPIED"}, {"AGE"},    {"BASE", true}, {"SNAPSHOT", true}};
}

Row RowOf(const v1::Backup& backup) {
  return MakeRow(backup, "backup", backup.id(),
                 {{backup.id().empty() ? "-" : backup.id()},
                  {backup.source_image()},
                  {backup.parent_id().empty() ? "full" : "incremental"},
                  {BytesText(backup.size_bytes())},
                  {BytesText(backup.data_bytes())},
                  {Age(backup.create_time())},
                  {backup.base()},
                  {backup.snapshot()}});
}

std::vector<Column> VmColumns() {
  return {{"UUID"},         {"NAME"}, {"POWER"},       {"READY"},           {"VCPUS"},
          {"MEMORY"},       {"AGE"},  {"IMAGE", true}, {"ROOT-DISK", true}, {"GENERATION", true},
          {"MESSAGE", true}};
}

Row RowOf(const v1::Vm& vm) {
  const v1::VmStatus& status = vm.status();
  Cell power{status.deleting() ? "DELETING" : PowerText(status.power_state())};
  if (status.power_state() == v1::RUNNING && !status.deleting()) power.tone = Tone::kGood;
  return MakeRow(vm, "vm", vm.spec().uuid(),
                 {{vm.spec().uuid()},
                  {vm.spec().name()},
                  std::move(power),
                  ConditionCell(status.conditions(), "READY"),
                  {absl::StrCat(vm.spec().vcpus())},
                  {absl::StrCat(vm.spec().memory_mib(), " MiB")},
                  {Age(vm.create_time())},
                  {vm.spec().root_disk().image()},
                  {status.root_disk()},
                  {absl::StrCat(vm.generation())},
                  {MessageOf(status.conditions(), "READY")}});
}

std::vector<Column> OperationColumns() {
  return {{"ID"}, {"KIND"}, {"TARGET"}, {"STATE"}, {"PROGRESS"}, {"AGE"}, {"ERROR", true}};
}

Row RowOf(const v1::Operation& operation) {
  return MakeRow(operation, "operation", operation.id(),
                 {{operation.id()},
                  {v1::Operation::Kind_Name(operation.kind())},
                  {operation.target()},
                  {v1::Operation::State_Name(operation.state()), ToneOf(operation.state())},
                  {ProgressText(operation)},
                  {Age(operation.create_time())},
                  {operation.error().message()}});
}

std::string PowerText(v1::PowerState state) {
  return state == v1::POWER_STATE_UNSPECIFIED ? "-" : v1::PowerState_Name(state);
}

const v1::Condition* FindCondition(const Conditions& conditions, const std::string& type) {
  for (const v1::Condition& condition : conditions) {
    if (condition.type() == type) return &condition;
  }
  return nullptr;
}

std::string BytesText(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  std::string number = absl::StrFormat("%.1f", value);
  if (absl::EndsWith(number, ".0")) number.resize(number.size() - 2);
  return absl::StrCat(number, " ", kUnits[unit]);
}

std::string DurationText(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(duration));
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  if (seconds < 86400) return absl::StrFormat("%dh%02dm", seconds / 3600, seconds % 3600 / 60);
  return absl::StrFormat("%dd%02dh", seconds / 86400, seconds % 86400 / 3600);
}

}  // namespace hvagent::agentctl
