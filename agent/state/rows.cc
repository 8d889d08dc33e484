#include "agent/state/rows.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::state {
namespace {

// Of one VM.
constexpr int64_t kFormerSpecs = 100;

absl::StatusOr<Disposal> ReadDisposal(const Statement& row, int column) {
  switch (row.Int(column)) {
    case int64_t{static_cast<int>(Disposal::kTrash)}:
      return Disposal::kTrash;
    case int64_t{static_cast<int>(Disposal::kKeep)}:
      return Disposal::kKeep;
    case int64_t{static_cast<int>(Disposal::kRemove)}:
      return Disposal::kRemove;
    default:
      return CorruptRow("what becomes of a VM's disks");
  }
}

absl::StatusOr<int64_t> ReadGeneration(const Statement& row) { return row.Int(0); }

absl::Status CheckSeen(Database& database, const VmChange& change) {
  ASSIGN_OR_RETURN(const auto generation,
                   ReadOne(database.Prepare("SELECT generation FROM vms WHERE uuid = ?1",
                                            ToBlob(change.vm.uuid)),
                           &ReadGeneration));
  if (generation.value_or(0) == change.seen_generation) return absl::OkStatus();
  return Error(absl::StatusCode::kAborted, "VM_CHANGED",
               absl::StrCat("VM ", change.vm.uuid.ToString(), " (", change.vm.spec.name(),
                            ") was changed by somebody else meanwhile: it is at generation ",
                            generation.value_or(0), ", not ", change.seen_generation,
                            "; look at it and try again"));
}

// What was wished stays; all else may have moved on since it was seen.
absl::Status UpdateClaim(Database& database, const VmRecord& vm) {
  return RunOnce(
      database.Prepare("UPDATE vms SET claimed = ?2 WHERE uuid = ?1", ToBlob(vm.uuid), vm.claimed));
}

// Keeps what the VM was until now, for as long as a guest may run with it.
absl::Status InsertFormerSpec(Database& database, const VmChange& change) {
  const Blob uuid = ToBlob(change.vm.uuid);
  RETURN_IF_ERROR(RunOnce(database.Prepare(
      "INSERT OR REPLACE INTO former_specs (uuid, last_generation, spec) VALUES (?1, ?2, ?3)", uuid,
      change.seen_generation, Blob{change.replaces->SerializeAsString()})));
  return RunOnce(database.Prepare(
      "DELETE FROM former_specs WHERE uuid = ?1 AND last_generation < (SELECT last_generation "
      "FROM former_specs WHERE uuid = ?1 ORDER BY last_generation DESC LIMIT 1 OFFSET ?2)",
      uuid, kFormerSpecs - 1));
}

}  // namespace

absl::Status CorruptRow(absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, "STATE_CORRUPT",
               absl::StrCat("the node's state is damaged: cannot read ", what));
}

Blob ToBlob(const Uuid& uuid) {
  return {{reinterpret_cast<const char*>(uuid.bytes().data()), uuid.bytes().size()}};
}

absl::StatusOr<Uuid> ReadUuidAt(const Statement& row, int column) {
  const absl::string_view bytes = row.Bytes(column);
  Uuid::Bytes uuid;
  if (bytes.size() != uuid.size()) return CorruptRow("a UUID");
  std::copy(bytes.begin(), bytes.end(), uuid.begin());
  return Uuid(uuid);
}

absl::Status RunOnce(absl::StatusOr<Statement> statement) {
  RETURN_IF_ERROR(statement.status());
  return statement->Run();
}

absl::StatusOr<VmRecord> ReadVm(const Statement& row) {
  VmRecord vm;
  ASSIGN_OR_RETURN(vm.uuid, ReadUuidAt(row, 0));
  RETURN_IF_ERROR(ReadMessage(row, 1, vm.spec));
  vm.generation = row.Int(2);
  vm.force_stop = row.Bool(3);
  vm.restart = row.Bool(4);
  vm.deleting = row.Bool(5);
  vm.create_time = absl::FromUnixNanos(row.Int(6));
  vm.claimed = row.Bool(7);
  ASSIGN_OR_RETURN(vm.disposal, ReadDisposal(row, 8));
  vm.undeleting = row.Bool(9);
  vm.stays_off = row.Bool(10);
  return vm;
}

absl::StatusOr<VmHead> ReadVmHead(const Statement& row) {
  VmHead head;
  ASSIGN_OR_RETURN(head.uuid, ReadUuidAt(row, 0));
  head.generation = row.Int(1);
  head.create_time = absl::FromUnixNanos(row.Int(2));
  head.deleting = row.Bool(3);
  head.claimed = row.Bool(4);
  return head;
}

absl::Status InsertVm(Database& database, const VmRecord& vm) {
  ASSIGN_OR_RETURN(
      Statement insert,
      database.Prepare(
          "INSERT INTO vms (uuid, name, generation, force_stop, restart, deleting, create_time, "
          "spec, claimed, disposal, undeleting, stays_off) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "
          "ON CONFLICT (uuid) DO UPDATE SET name = ?2, generation = ?3, force_stop = ?4, "
          "restart = ?5, deleting = ?6, create_time = ?7, spec = ?8, claimed = ?9, "
          "disposal = ?10, undeleting = ?11, stays_off = ?12",
          ToBlob(vm.uuid), vm.spec.name(), vm.generation, vm.force_stop, vm.restart, vm.deleting,
          absl::ToUnixNanos(vm.create_time), Blob{vm.spec.SerializeAsString()}, vm.claimed,
          int64_t{static_cast<int>(vm.disposal)}, vm.undeleting, vm.stays_off));
  absl::Status status = insert.Run();
  if (absl::IsAlreadyExists(status)) {
    return Error(absl::StatusCode::kAlreadyExists, "VM_NAME_TAKEN",
                 absl::StrCat("another VM on this node has the name ", vm.spec.name(), "; give ",
                              vm.uuid.ToString(), " another one"));
  }
  return status;
}

absl::Status CommitVm(Database& database, const VmChange& change) {
  RETURN_IF_ERROR(CheckSeen(database, change));
  if (change.vm.generation == change.seen_generation) {
    RETURN_IF_ERROR(UpdateClaim(database, change.vm));
  } else {
    RETURN_IF_ERROR(InsertVm(database, change.vm));
  }
  if (change.seen_generation == 0) RETURN_IF_ERROR(ForgetDeletedVm(database, change.vm.uuid));
  return change.replaces.has_value() ? InsertFormerSpec(database, change) : absl::OkStatus();
}

absl::Status DeleteVm(Database& database, const Uuid& uuid) {
  RETURN_IF_ERROR(
      RunOnce(database.Prepare("DELETE FROM former_specs WHERE uuid = ?1", ToBlob(uuid))));
  return RunOnce(database.Prepare("DELETE FROM vms WHERE uuid = ?1", ToBlob(uuid)));
}

absl::StatusOr<DeletedVm> ReadDeletedVm(const Statement& row) {
  DeletedVm deleted;
  ASSIGN_OR_RETURN(deleted.vm.uuid, ReadUuidAt(row, 0));
  RETURN_IF_ERROR(ReadMessage(row, 1, deleted.vm.spec));
  deleted.vm.generation = row.Int(2);
  deleted.vm.create_time = absl::FromUnixNanos(row.Int(3));
  deleted.delete_time = absl::FromUnixNanos(row.Int(4));
  deleted.kept_until = absl::FromUnixNanos(row.Int(5));
  return deleted;
}

absl::Status InsertDeletedVm(Database& database, const Uuid& uuid, absl::Time delete_time,
                             absl::Time kept_until) {
  return RunOnce(database.Prepare(
      "INSERT OR REPLACE INTO deleted_vms "
      "(uuid, name, generation, create_time, spec, delete_time, kept_until) "
      "SELECT uuid, name, generation, create_time, spec, ?2, ?3 FROM vms WHERE uuid = ?1",
      ToBlob(uuid), absl::ToUnixNanos(delete_time), absl::ToUnixNanos(kept_until)));
}

absl::Status ForgetDeletedVm(Database& database, const Uuid& uuid) {
  return RunOnce(database.Prepare("DELETE FROM deleted_vms WHERE uuid = ?1", ToBlob(uuid)));
}

}  // namespace hvagent::state
