// From rows of the state's database to values and back: what StateStore's queries share. Private to
// agent/state.
#ifndef HVAGENT_AGENT_STATE_ROWS_H_
#define HVAGENT_AGENT_STATE_ROWS_H_

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/state/sqlite.h"
#include "agent/state/state_store.h"
#include "base/status_macros.h"
#include "base/uuid.h"

namespace hvagent::state {

// DATA_LOSS (STATE_CORRUPT).
absl::Status CorruptRow(absl::string_view what);

Blob ToBlob(const Uuid& uuid);
absl::StatusOr<Uuid> ReadUuidAt(const Statement& row, int column);

template <typename Message>
absl::Status ReadMessage(const Statement& row, int column, Message& message) {
  const absl::string_view bytes = row.Bytes(column);
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return CorruptRow(message.GetTypeName());
  }
  return absl::OkStatus();
}

// The three ways to use what Prepare gave: for its effect, for one row if there is one, for all.
absl::Status RunOnce(absl::StatusOr<Statement> statement);

template <typename T>
absl::StatusOr<std::optional<T>> ReadOne(absl::StatusOr<Statement> query,
                                         absl::StatusOr<T> (*read)(const Statement&)) {
  RETURN_IF_ERROR(query.status());
  ASSIGN_OR_RETURN(const bool found, query->Step());
  if (!found) return std::nullopt;
  ASSIGN_OR_RETURN(T value, read(*query));
  return std::optional<T>(std::move(value));
}

template <typename T>
absl::StatusOr<std::vector<T>> ReadAll(absl::StatusOr<Statement> query,
                                       absl::StatusOr<T> (*read)(const Statement&)) {
  RETURN_IF_ERROR(query.status());
  std::vector<T> values;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query->Step());
    if (!found) return values;
    ASSIGN_OR_RETURN(T value, read(*query));
    values.push_back(std::move(value));
  }
}

// --- VMs ---
inline constexpr char kSelectVm[] =
    "SELECT uuid, spec, generation, force_stop, restart, deleting, create_time, claimed, "
    "disposal, undeleting, stays_off FROM vms ";
absl::StatusOr<VmRecord> ReadVm(const Statement& row);
inline constexpr char kSelectVmHead[] =
    "SELECT uuid, generation, create_time, deleting, claimed FROM vms ";
absl::StatusOr<VmHead> ReadVmHead(const Statement& row);
// Errors: ALREADY_EXISTS (VM_NAME_TAKEN).
absl::Status InsertVm(Database& database, const VmRecord& vm);
// Errors: as StateStore::Commit, of one VM.
absl::Status CommitVm(Database& database, const VmChange& change);
absl::Status DeleteVm(Database& database, const Uuid& uuid);

inline constexpr char kSelectDeletedVm[] =
    "SELECT uuid, spec, generation, create_time, delete_time, kept_until FROM deleted_vms ";
absl::StatusOr<DeletedVm> ReadDeletedVm(const Statement& row);
absl::Status InsertDeletedVm(Database& database, const Uuid& uuid, absl::Time delete_time,
                             absl::Time kept_until);
absl::Status ForgetDeletedVm(Database& database, const Uuid& uuid);

}  // namespace hvagent::state

#endif  // HVAGENT_AGENT_STATE_ROWS_H_
