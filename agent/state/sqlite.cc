#include "agent/state/sqlite.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::state {
namespace {

// How long a reader from outside (an operator's sqlite3) may hold a write up.
constexpr int kBusyTimeoutMs = 5000;

absl::Status LastError(sqlite3* database) {
  return SqliteError(sqlite3_extended_errcode(database), sqlite3_errmsg(database));
}

}  // namespace

absl::Status SqliteError(int extended_code, absl::string_view message) {
  absl::Status status;
  switch (extended_code & 0xff) {
    case SQLITE_OK:
      return absl::OkStatus();
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
      status =
          Error(absl::StatusCode::kUnavailable, "STATE_UNWRITABLE",
                absl::StrCat("the node's state cannot be read or written: ", message, " (",
                             sqlite3_errstr(extended_code),
                             "); nothing was changed; see to the disk of the state directory"));
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      status = Error(absl::StatusCode::kDataLoss, "STATE_CORRUPT",
                     absl::StrCat("the node's state is damaged: ", message));
      break;
    case SQLITE_CONSTRAINT:
      status = absl::AlreadyExistsError(message);
      break;
    default:
      status = absl::InternalError(absl::StrCat("the node's state: ", message));
      break;
  }
  SetRawCode(status, "sqlite", extended_code);
  return status;
}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  // Both only report again what the last step did.
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)), bind_error_(other.bind_error_) {}

void Statement::Bind(int index, int64_t value) {
  const int code = sqlite3_bind_int64(statement_, index, value);
  if (code != SQLITE_OK) bind_error_ = code;
}

void Statement::Bind(int index, absl::string_view text) {
  // A null pointer would be bound as NULL.
  const char* data = text.empty() ? "" : text.data();
  const int code =
      sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) bind_error_ = code;
}

void Statement::Bind(int index, Blob blob) {
  const char* data = blob.bytes.empty() ? "" : blob.bytes.data();
  const int code =
      sqlite3_bind_blob64(statement_, index, data, blob.bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) bind_error_ = code;
}

absl::StatusOr<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) return SqliteError(bind_error_, sqlite3_errstr(bind_error_));
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return LastError(sqlite3_db_handle(statement_));
  }
}

absl::Status Statement::Run() { return Step().status(); }

absl::string_view Statement::Bytes(int column) const {
  // The pointer first: it fixes the form that the size is of. It is null for an empty blob.
  const void* data = sqlite3_column_blob(statement_, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? absl::string_view()
                         : absl::string_view(static_cast<const char*>(data), size);
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  sqlite3* raw = nullptr;
  // Our mutex serialises all calls, so SQLite needs none of its own.
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  DatabasePtr database(raw);  // there is one, to be closed, after most failures too
  if (code != SQLITE_OK) return SqliteError(code, raw == nullptr ? "" : sqlite3_errmsg(raw));
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  return std::unique_ptr<Database>(new Database(std::move(database)));
}

absl::Status Database::Execute(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return LastError(database_.get());
  }
  return absl::OkStatus();
}

absl::StatusOr<Statement> Database::Compile(absl::string_view sql) {
  auto cached = statements_.find(std::string(sql));
  if (cached == statements_.end()) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK) {
      return LastError(database_.get());
    }
    cached = statements_.emplace(sql, raw).first;
  }
  return Statement(cached->second.get());
}

absl::StatusOr<std::string> Database::QueryText(absl::string_view sql) {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  return found ? std::string(statement.Bytes(0)) : std::string();
}

void Database::SetCheckpointOnClose(bool enabled) {
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, enabled ? 0 : 1, nullptr);
}

absl::StatusOr<Transaction> Transaction::Begin(Database& database) {
  // IMMEDIATE takes the write lock now, so that no later statement can fail to get it.
  RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // SQLite itself rolls back on some errors, and there is nothing left to undo then. A rollback
  // that fails leaves the write-ahead log without its commit, which is as good.
  if (database_ != nullptr && database_->InTransaction()) {
    database_->Execute("ROLLBACK").IgnoreError();
  }
}

absl::Status Transaction::Commit() { return database_->Execute("COMMIT"); }

}  // namespace hvagent::state
