// SQLite's C API behind four things: a database, one use of a prepared statement, a transaction,
// and one conversion of errors. Private to agent/state.
//
// Not thread-safe: StateStore holds its mutex around every use.
#ifndef HVAGENT_AGENT_STATE_SQLITE_H_
#define HVAGENT_AGENT_STATE_SQLITE_H_

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hvagent::state {

// Bytes to be bound as a BLOB; a plain string_view is bound as TEXT.
struct Blob {
  absl::string_view bytes;
};

// One use of a prepared statement, with its parameters bound: step through the rows and read them.
// Resets it when it goes. At most one use of the same SQL at a time.
class Statement {
 public:
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;

  // Goes to the next row; false when there is none.
  absl::StatusOr<bool> Step();
  // Runs a statement that gives no rows.
  absl::Status Run();

  // The current row's columns, from 0. Views are valid until the next step.
  int64_t Int(int column) const { return sqlite3_column_int64(statement_, column); }
  bool Bool(int column) const { return Int(column) != 0; }
  absl::string_view Bytes(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  // Copies what it binds. An error shows at the first step.
  void Bind(int index, int64_t value);
  void Bind(int index, bool value) { Bind(index, int64_t{value}); }
  void Bind(int index, absl::string_view text);
  void Bind(int index, Blob blob);

  sqlite3_stmt* statement_;
  int bind_error_ = SQLITE_OK;
};

class Database {
 public:
  // Opens the existing file `path`, or ":memory:". Does not read it yet.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path);

  // Runs one or more statements, and drops their rows.
  absl::Status Execute(const std::string& sql);

  // A use of `sql`, with `values` (int64_t, bool, text, Blob) for its parameters ?1, ?2, ...
  // Compiles it the first time only.
  template <typename... Values>
  absl::StatusOr<Statement> Prepare(absl::string_view sql, const Values&... values) {
    absl::StatusOr<Statement> statement = Compile(sql);
    if (statement.ok()) {
      int index = 0;
      (statement->Bind(++index, values), ...);
    }
    return statement;
  }

  // The one value that `sql` gives, as a pragma does.
  absl::StatusOr<std::string> QueryText(absl::string_view sql);

  // Whether closing the database moves what the write-ahead log holds into the file.
  void SetCheckpointOnClose(bool enabled);

  bool InTransaction() const { return sqlite3_get_autocommit(database_.get()) == 0; }

 private:
  struct CloseDatabase {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using DatabasePtr = std::unique_ptr<sqlite3, CloseDatabase>;
  using StatementPtr = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

  explicit Database(DatabasePtr database) : database_(std::move(database)) {}
  absl::StatusOr<Statement> Compile(absl::string_view sql);

  DatabasePtr database_;  // before the statements, which must go first
  std::map<std::string, StatementPtr, std::less<>> statements_;
};

// All that is written between Begin and Commit becomes true at once; without Commit, none of it.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Database& database);
  ~Transaction();
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;

  absl::Status Commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}

  Database* database_;  // nullptr when moved from
};

// The one conversion of SQLite's errors, with its raw (extended) code as payload "sqlite".
// UNAVAILABLE (STATE_UNWRITABLE) for full disks, I/O errors and locks; DATA_LOSS (STATE_CORRUPT);
// ALREADY_EXISTS for a uniqueness constraint, to which the caller gives a reason; else INTERNAL.
absl::Status SqliteError(int extended_code, absl::string_view message);

}  // namespace hvagent::state

#endif  // HVAGENT_AGENT_STATE_SQLITE_H_
