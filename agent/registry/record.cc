#include "agent/registry/record.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::registry {
namespace {

absl::Status CheckComplete(const v1::RegistryRecord& record) {
  RETURN_IF_ERROR(Uuid::Parse(record.spec().uuid()).status());
  if (record.node().empty()) return InvalidField("node", "must be given");
  if (record.epoch() < 1) return InvalidField("epoch", "must be at least 1");
  if (!v1::RegistryRecord::State_IsValid(record.state()) ||
      record.state() == v1::RegistryRecord::STATE_UNSPECIFIED) {
    return InvalidField("state", "must be one that this agent knows");
  }
  return absl::OkStatus();
}

absl::Status Damaged(const Uuid& vm, absl::string_view why) {
  return Error(absl::StatusCode::kDataLoss, "REGISTRY_RECORD",
               absl::StrCat("the registry's record of VM ", vm.ToString(), " is damaged (", why,
                            "): nothing is done with the VM until an operator has looked at "
                            "object vm.",
                            vm.ToString(), " of the agents' pool"));
}

}  // namespace

absl::Status CheckPut(const v1::RegistryRecord& record, const std::optional<Entry>& replaces) {
  RETURN_IF_ERROR(CheckComplete(record));
  if (!replaces.has_value()) return absl::OkStatus();
  const v1::RegistryRecord& standing = replaces->record;
  if (record.spec().uuid() != standing.spec().uuid()) {
    return InvalidField("spec.uuid", "must be that of the record which is replaced");
  }
  const bool moves = record.node() != standing.node();
  if (record.epoch() < standing.epoch() || (moves && record.epoch() == standing.epoch())) {
    return InvalidField(
        "epoch", absl::StrCat("must be greater than ", standing.epoch(), " for another node"));
  }
  return absl::OkStatus();
}

std::string Encode(const v1::RegistryRecord& record) { return record.SerializeAsString(); }

absl::StatusOr<v1::RegistryRecord> Decode(const Uuid& vm, absl::string_view bytes) {
  v1::RegistryRecord record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Damaged(vm, "it cannot be parsed");
  }
  if (record.format() > kRecordFormat) {
    return Error(absl::StatusCode::kFailedPrecondition, "REGISTRY_FORMAT",
                 absl::StrCat("the registry's record of VM ", vm.ToString(), " has format ",
                              record.format(), " and this agent knows ", kRecordFormat,
                              ": it is left as it is; upgrade this node's agent"));
  }
  if (record.format() == 0) return Damaged(vm, "it has no format");
  if (const absl::Status complete = CheckComplete(record); !complete.ok()) {
    return Damaged(vm, complete.message());
  }
  if (record.spec().uuid() != vm.ToString()) {
    return Damaged(vm, absl::StrCat("it is that of VM ", record.spec().uuid()));
  }
  return record;
}

absl::Status RecordChanged(const Uuid& vm) {
  return Error(absl::StatusCode::kAborted, "REGISTRY_CONFLICT",
               absl::StrCat("the registry's record of VM ", vm.ToString(),
                            " was changed by another node since it was read: look again"));
}

}  // namespace hvagent::registry
