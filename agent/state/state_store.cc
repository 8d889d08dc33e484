#include "agent/state/state_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/state/group_commit.h"
#include "agent/state/rows.h"
#include "agent/state/sqlite.h"
#include "agent/state/state_file.h"
#include "base/error.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "google/protobuf/timestamp.pb.h"

namespace hvagent::state {
namespace {

constexpr char kSelectSecret[] =
    "SELECT entity, uuid, usage, ephemeral, private, replacing, fingerprint, generation, "
    "sealed_key, prove_time, superseded_by FROM secrets ";
constexpr char kSelectRequest[] = "SELECT method, body_digest FROM requests ";

int64_t ToNanos(const google::protobuf::Timestamp& time) {
  return absl::ToUnixNanos(absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos()));
}

// SQLite takes a negative limit for none.
int64_t ToLimit(size_t limit) {
  return static_cast<int64_t>(std::min<uint64_t>(limit, std::numeric_limits<int64_t>::max()));
}

absl::StatusOr<Uuid> ReadUuid(const Statement& row) { return ReadUuidAt(row, 0); }

// A row of kSelectSecret.
absl::StatusOr<SecretBinding> ReadSecret(const Statement& row) {
  SecretBinding binding;
  binding.entity = std::string(row.Bytes(0));
  ASSIGN_OR_RETURN(binding.uuid, ReadUuidAt(row, 1));
  binding.usage = std::string(row.Bytes(2));
  binding.ephemeral = row.Bool(3);
  binding.is_private = row.Bool(4);
  binding.replacing = row.Bool(5);
  binding.fingerprint = std::string(row.Bytes(6));
  binding.generation_unix_s = row.Int(7);
  binding.sealed_key = std::string(row.Bytes(8));
  if (row.Int(9) != 0) binding.prove_time = absl::FromUnixNanos(row.Int(9));
  binding.superseded_by = std::string(row.Bytes(10));
  return binding;
}

// operation
absl::StatusOr<v1::Operation> ReadOperation(const Statement& row) {
  v1::Operation operation;
  RETURN_IF_ERROR(ReadMessage(row, 0, operation));
  return operation;
}

// A row of kSelectRequest.
absl::StatusOr<RequestRecord> ReadRequest(const Statement& row) {
  return RequestRecord{.method = std::string(row.Bytes(0)),
                       .body_digest = std::string(row.Bytes(1))};
}

// spec
absl::StatusOr<v1::VmSpec> ReadSpec(const Statement& row) {
  v1::VmSpec spec;
  RETURN_IF_ERROR(ReadMessage(row, 0, spec));
  return spec;
}

// controller, term, generation, digest
absl::StatusOr<PushRecord> ReadPush(const Statement& row) {
  return PushRecord{.controller = std::string(row.Bytes(0)),
                    .term = row.Int(1),
                    .generation = row.Int(2),
                    .digest = std::string(row.Bytes(3))};
}

absl::Status InsertPush(Database& database, const PushRecord& push) {
  return RunOnce(
      database.Prepare("INSERT OR REPLACE INTO pushes (id, controller, term, generation, digest) "
                       "VALUES (1, ?1, ?2, ?3, ?4)",
                       push.controller, push.term, push.generation, Blob{push.digest}));
}

absl::Status InsertRequest(Database& database, absl::string_view request_id,
                           const RequestRecord& record, absl::Time now) {
  ASSIGN_OR_RETURN(Statement insert,
                   database.Prepare("INSERT INTO requests (id, method, body_digest, create_time) "
                                    "VALUES (?1, ?2, ?3, ?4)",
                                    request_id, record.method, Blob{record.body_digest},
                                    absl::ToUnixNanos(now)));
  absl::Status status = insert.Run();
  if (absl::IsAlreadyExists(status)) {
    return Error(absl::StatusCode::kAlreadyExists, "REQUEST_ID_USED",
                 absl::StrCat("the request_id \"", absl::CHexEscape(request_id.substr(0, 64)),
                              "\" was used before; a new request needs a new one"));
  }
  return status;
}

}  // namespace

class StateStore::Impl {
 public:
  explicit Impl(StateFile file) : file_(std::move(file)), writes_(write_mutex_, *file_.database) {}

  // Every write and every read goes through these two.
  absl::Status Write(GroupCommit::Change change) { return writes_.Run(change); }
  template <typename Query>
  auto Read(Query query) {
    MutexLock lock(file_.reader != nullptr ? read_mutex_ : write_mutex_);
    return query(file_.reader != nullptr ? *file_.reader : *file_.database);
  }

 private:
  const StateFile file_;
  Mutex read_mutex_;
  Mutex write_mutex_;
  GroupCommit writes_;
};

absl::StatusOr<std::unique_ptr<StateStore>> StateStore::Open(const std::string& directory) {
  ASSIGN_OR_RETURN(StateFile file,
                   directory == ":memory:" ? OpenStateInMemory() : OpenStateFile(directory));
  return std::unique_ptr<StateStore>(new StateStore(std::make_unique<Impl>(std::move(file))));
}

StateStore::StateStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StateStore::~StateStore() = default;

absl::Status StateStore::PutVm(const VmRecord& record) {
  return impl_->Write([&](Database& database) -> absl::Status {
    RETURN_IF_ERROR(InsertVm(database, record));
    return ForgetDeletedVm(database, record.uuid);
  });
}

absl::StatusOr<std::optional<VmRecord>> StateStore::GetVm(const Uuid& uuid) {
  return impl_->Read([&](Database& database) {
    return ReadOne(database.Prepare(absl::StrCat(kSelectVm, "WHERE uuid = ?1"), ToBlob(uuid)),
                   &ReadVm);
  });
}

absl::StatusOr<std::optional<VmRecord>> StateStore::GetVmByName(absl::string_view name) {
  return impl_->Read([&](Database& database) {
    return ReadOne(database.Prepare(absl::StrCat(kSelectVm, "WHERE name = ?1"), name), &ReadVm);
  });
}

absl::StatusOr<std::vector<VmRecord>> StateStore::ListVms(const Uuid& after, size_t limit) {
  return impl_->Read([&](Database& database) {
    return ReadAll(
        database.Prepare(absl::StrCat(kSelectVm, "WHERE uuid > ?1 ORDER BY uuid LIMIT ?2"),
                         ToBlob(after), ToLimit(limit)),
        &ReadVm);
  });
}

absl::StatusOr<std::vector<Uuid>> StateStore::ListVmUuids() {
  return impl_->Read([&](Database& database) {
    return ReadAll(database.Prepare("SELECT uuid FROM vms ORDER BY uuid"), &ReadUuid);
  });
}

absl::StatusOr<std::optional<VmHead>> StateStore::GetVmHead(const Uuid& uuid) {
  return impl_->Read([&](Database& database) {
    return ReadOne(database.Prepare(absl::StrCat(kSelectVmHead, "WHERE uuid = ?1"), ToBlob(uuid)),
                   &ReadVmHead);
  });
}

absl::StatusOr<std::vector<VmHead>> StateStore::ListVmHeads() {
  return impl_->Read([&](Database& database) {
    return ReadAll(database.Prepare(absl::StrCat(kSelectVmHead, "ORDER BY uuid")), &ReadVmHead);
  });
}

absl::Status StateStore::EndRestart(const Uuid& uuid, int64_t generation) {
  return impl_->Write([&](Database& database) {
    return RunOnce(database.Prepare(
        "UPDATE vms SET restart = 0, force_stop = 0 WHERE uuid = ?1 AND generation = ?2",
        ToBlob(uuid), generation));
  });
}

absl::Status StateStore::LeaveOff(const Uuid& uuid, int64_t generation) {
  return impl_->Write([&](Database& database) {
    return RunOnce(
        database.Prepare("UPDATE vms SET stays_off = 1 WHERE uuid = ?1 AND generation = ?2",
                         ToBlob(uuid), generation));
  });
}

absl::Status StateStore::RemoveVm(const Uuid& uuid) {
  return impl_->Write([&](Database& database) { return DeleteVm(database, uuid); });
}

absl::StatusOr<std::optional<v1::VmSpec>> StateStore::GetFormerSpec(const Uuid& uuid,
                                                                    int64_t generation) {
  return impl_->Read([&](Database& database) {
    return ReadOne(database.Prepare("SELECT spec FROM former_specs WHERE uuid = ?1 AND "
                                    "last_generation >= ?2 ORDER BY last_generation LIMIT 1",
                                    ToBlob(uuid), generation),
                   &ReadSpec);
  });
}

absl::Status StateStore::Commit(const Changes& changes) {
  return impl_->Write([&](Database& database) -> absl::Status {
    for (const VmChange& change : changes.vms) RETURN_IF_ERROR(CommitVm(database, change));
    if (changes.push.has_value()) RETURN_IF_ERROR(InsertPush(database, *changes.push));
    if (changes.request_id.empty()) return absl::OkStatus();
    return InsertRequest(database, changes.request_id, changes.request, changes.now);
  });
}

absl::Status StateStore::MoveToDeleted(const Uuid& uuid, absl::Time delete_time,
                                       absl::Time kept_until) {
  return impl_->Write([&](Database& database) -> absl::Status {
    RETURN_IF_ERROR(InsertDeletedVm(database, uuid, delete_time, kept_until));
    return DeleteVm(database, uuid);
  });
}

absl::StatusOr<std::optional<DeletedVm>> StateStore::GetDeletedVm(const Uuid& uuid) {
  return impl_->Read([&](Database& database) {
    return ReadOne(
        database.Prepare(absl::StrCat(kSelectDeletedVm, "WHERE uuid = ?1"), ToBlob(uuid)),
        &ReadDeletedVm);
  });
}

absl::StatusOr<std::optional<DeletedVm>> StateStore::GetDeletedVmByName(absl::string_view name) {
  return impl_->Read([&](Database& database) {
    return ReadOne(database.Prepare(absl::StrCat(kSelectDeletedVm,
                                                 "WHERE name = ?1 ORDER BY delete_time DESC "
                                                 "LIMIT 1"),
                                    name),
                   &ReadDeletedVm);
  });
}

absl::StatusOr<std::vector<DeletedVm>> StateStore::ListDeletedVms(const Uuid& after, size_t limit) {
  return impl_->Read([&](Database& database) {
    return ReadAll(
        database.Prepare(absl::StrCat(kSelectDeletedVm, "WHERE uuid > ?1 ORDER BY uuid LIMIT ?2"),
                         ToBlob(after), ToLimit(limit)),
        &ReadDeletedVm);
  });
}

absl::Status StateStore::PruneDeletedVms(absl::Time cutoff) {
  return impl_->Write([&](Database& database) {
    return RunOnce(database.Prepare("DELETE FROM deleted_vms WHERE kept_until < ?1",
                                    absl::ToUnixNanos(cutoff)));
  });
}

absl::StatusOr<PushRecord> StateStore::GetLastPush() {
  return impl_->Read([&](Database& database) -> absl::StatusOr<PushRecord> {
    ASSIGN_OR_RETURN(
        auto push,
        ReadOne(database.Prepare("SELECT controller, term, generation, digest FROM pushes"),
                &ReadPush));
    return push.value_or(PushRecord{});
  });
}

absl::Status StateStore::PutSecret(const SecretBinding& binding) {
  return impl_->Write([&](Database& database) {
    return RunOnce(database.Prepare(
        "INSERT OR REPLACE INTO secrets (entity, uuid, usage, ephemeral, private, replacing, "
        "fingerprint, generation, sealed_key, prove_time, superseded_by) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        binding.entity, ToBlob(binding.uuid), binding.usage, binding.ephemeral, binding.is_private,
        binding.replacing, binding.fingerprint, binding.generation_unix_s, Blob{binding.sealed_key},
        binding.prove_time == absl::InfinitePast() ? 0 : absl::ToUnixNanos(binding.prove_time),
        binding.superseded_by));
  });
}

absl::StatusOr<std::optional<SecretBinding>> StateStore::GetSecret(absl::string_view entity) {
  return impl_->Read([&](Database& database) {
    return ReadOne(database.Prepare(absl::StrCat(kSelectSecret, "WHERE entity = ?1"), entity),
                   &ReadSecret);
  });
}

absl::StatusOr<std::vector<SecretBinding>> StateStore::ListSecrets() {
  return impl_->Read([&](Database& database) {
    return ReadAll(database.Prepare(absl::StrCat(kSelectSecret, "ORDER BY entity")), &ReadSecret);
  });
}

absl::Status StateStore::RemoveSecret(absl::string_view entity) {
  return impl_->Write([&](Database& database) {
    return RunOnce(database.Prepare("DELETE FROM secrets WHERE entity = ?1", entity));
  });
}

absl::Status StateStore::PutOperation(const v1::Operation& operation) {
  return impl_->Write([&](Database& database) {
    return RunOnce(database.Prepare(
        "INSERT INTO operations (id, state, create_time, update_time, operation) "
        "VALUES (?1, ?2, ?3, ?4, ?5) "
        "ON CONFLICT (id) DO UPDATE SET state = ?2, create_time = ?3, update_time = ?4, "
        "operation = ?5",
        operation.id(), int64_t{operation.state()}, ToNanos(operation.create_time()),
        ToNanos(operation.update_time()), Blob{operation.SerializeAsString()}));
  });
}

absl::StatusOr<std::optional<v1::Operation>> StateStore::GetOperation(absl::string_view id) {
  return impl_->Read([&](Database& database) {
    return ReadOne(database.Prepare("SELECT operation FROM operations WHERE id = ?1", id),
                   &ReadOperation);
  });
}

absl::StatusOr<std::vector<v1::Operation>> StateStore::ListOperations(absl::string_view before,
                                                                      size_t limit) {
  return impl_->Read([&](Database& database) {
    return ReadAll(
        before.empty()
            ? database.Prepare("SELECT operation FROM operations "
                               "ORDER BY create_time DESC, id DESC LIMIT ?1",
                               ToLimit(limit))
            : database.Prepare("SELECT operation FROM operations WHERE (create_time, id) < "
                               "(SELECT create_time, id FROM operations WHERE id = ?1) "
                               "ORDER BY create_time DESC, id DESC LIMIT ?2",
                               before, ToLimit(limit)),
        &ReadOperation);
  });
}

absl::StatusOr<std::vector<v1::Operation>> StateStore::ListRunningOperations() {
  return impl_->Read([&](Database& database) {
    return ReadAll(database.Prepare("SELECT operation FROM operations WHERE state = ?1",
                                    int64_t{v1::Operation::RUNNING}),
                   &ReadOperation);
  });
}

absl::Status StateStore::PruneOperations(absl::Time cutoff) {
  return impl_->Write([&](Database& database) {
    return RunOnce(
        database.Prepare("DELETE FROM operations WHERE state IN (?1, ?2, ?3) AND update_time < ?4",
                         int64_t{v1::Operation::SUCCEEDED}, int64_t{v1::Operation::FAILED},
                         int64_t{v1::Operation::CANCELLED}, absl::ToUnixNanos(cutoff)));
  });
}

absl::StatusOr<std::optional<RequestRecord>> StateStore::GetRequest(absl::string_view request_id) {
  return impl_->Read([&](Database& database) {
    return ReadOne(database.Prepare(absl::StrCat(kSelectRequest, "WHERE id = ?1"), request_id),
                   &ReadRequest);
  });
}

absl::Status StateStore::PutRequest(absl::string_view request_id, const RequestRecord& record,
                                    absl::Time now) {
  return impl_->Write(
      [&](Database& database) { return InsertRequest(database, request_id, record, now); });
}

absl::Status StateStore::PruneRequests(absl::Time cutoff) {
  return impl_->Write([&](Database& database) {
    return RunOnce(
        database.Prepare("DELETE FROM requests WHERE create_time < ?1", absl::ToUnixNanos(cutoff)));
  });
}

}  // namespace hvagent::state
