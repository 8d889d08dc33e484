#include "agent/state/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::state {
namespace {

constexpr char kFileName[] = "state.db";
constexpr char kLogName[] = "state.db-wal";
constexpr char kNewFileName[] = "state.db.new";

// SQLite takes a file without a whole page for a new database.
constexpr int64_t kSmallestPage = 512;

constexpr int32_t kApplicationId = 0x68766167;  // "hvag"; file(1) shows it
constexpr int32_t kSchemaVersion = 5;

// Times are nanoseconds since 1970, UUIDs are 16 bytes. What SQL never looks into is kept as a
// serialized message, so that a new field needs no new schema.
constexpr char kSchema[] = R"sql(
  CREATE TABLE vms (
    uuid BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    force_stop INTEGER NOT NULL,
    restart INTEGER NOT NULL DEFAULT 0,
    deleting INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    spec BLOB NOT NULL,
    claimed INTEGER NOT NULL DEFAULT 0,
    disposal INTEGER NOT NULL DEFAULT 0,
    undeleting INTEGER NOT NULL DEFAULT 0,
    stays_off INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE deleted_vms (
    uuid BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    spec BLOB NOT NULL,
    delete_time INTEGER NOT NULL,
    kept_until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE former_specs (
    uuid BLOB NOT NULL,
    last_generation INTEGER NOT NULL,
    spec BLOB NOT NULL,
    PRIMARY KEY (uuid, last_generation)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE pushes (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    controller TEXT NOT NULL,
    term INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    digest BLOB NOT NULL
  ) STRICT;
  CREATE TABLE secrets (
    entity TEXT PRIMARY KEY NOT NULL,
    uuid BLOB NOT NULL,
    usage TEXT NOT NULL,
    ephemeral INTEGER NOT NULL DEFAULT 0,
    private INTEGER NOT NULL DEFAULT 0,
    replacing INTEGER NOT NULL DEFAULT 0,
    fingerprint TEXT NOT NULL DEFAULT '',
    generation INTEGER NOT NULL DEFAULT 0,
    sealed_key BLOB NOT NULL DEFAULT x'',
    prove_time INTEGER NOT NULL DEFAULT 0,
    superseded_by TEXT NOT NULL DEFAULT ''
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE operations (
    id TEXT PRIMARY KEY NOT NULL,
    state INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    operation BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX operations_by_age ON operations (create_time, id);
  CREATE INDEX operations_by_state ON operations (state, update_time);
  CREATE TABLE requests (
    id TEXT PRIMARY KEY NOT NULL,
    method TEXT NOT NULL,
    body_digest BLOB NOT NULL,
    create_time INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX requests_by_age ON requests (create_time);
)sql";

// kUpgrades[v - 1] makes schema v + 1 of schema v.
constexpr const char* kUpgrades[] = {
    R"sql(
  ALTER TABLE secrets ADD COLUMN ephemeral INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE secrets ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE secrets ADD COLUMN replacing INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE secrets ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
  ALTER TABLE secrets ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE secrets ADD COLUMN sealed_key BLOB NOT NULL DEFAULT x'';
  ALTER TABLE secrets ADD COLUMN prove_time INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE secrets ADD COLUMN superseded_by TEXT NOT NULL DEFAULT '';
)sql",
    R"sql(
  ALTER TABLE vms ADD COLUMN restart INTEGER NOT NULL DEFAULT 0;
)sql",
    R"sql(
  ALTER TABLE vms ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE former_specs (
    uuid BLOB NOT NULL,
    last_generation INTEGER NOT NULL,
    spec BLOB NOT NULL,
    PRIMARY KEY (uuid, last_generation)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE pushes (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    controller TEXT NOT NULL,
    term INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    digest BLOB NOT NULL
  ) STRICT;
)sql",
    R"sql(
  ALTER TABLE vms ADD COLUMN disposal INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE vms ADD COLUMN undeleting INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE vms ADD COLUMN stays_off INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE deleted_vms (
    uuid BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    spec BLOB NOT NULL,
    delete_time INTEGER NOT NULL,
    kept_until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
)sql",
};
static_assert(std::size(kUpgrades) == kSchemaVersion - 1);

absl::Status Unwritable(absl::string_view what, const std::string& path, int error) {
  absl::Status status =
      Error(absl::StatusCode::kUnavailable, "STATE_UNWRITABLE",
            absl::StrCat("the node's state: cannot ", what, " ", path, ": ", strerror(error)));
  SetRawCode(status, "errno", error);
  return status;
}

absl::Status Corrupt(const std::string& path, absl::string_view problem) {
  return Error(absl::StatusCode::kDataLoss, "STATE_CORRUPT",
               absl::StrCat("the node's state ", path, " ", problem,
                            "; it was left as it is: restore it from a backup, or move the "
                            "directory's state.db* away to start with an empty state"));
}

// Syncs a file or directory to the disk.
absl::Status Sync(int fd, const std::string& path) {
  return fsync(fd) == 0 ? absl::OkStatus() : Unwritable("sync", path, errno);
}

absl::StatusOr<UniqueFd> OpenAt(int directory, const char* name, int flags,
                                const std::string& path) {
  UniqueFd fd(openat(directory, name, flags | O_CLOEXEC, 0600));
  if (!fd) return Unwritable("open", path, errno);
  return fd;
}

absl::StatusOr<UniqueFd> LockDirectory(const std::string& path) {
  const bool made = mkdir(path.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return Unwritable("make directory", path, errno);
  ASSIGN_OR_RETURN(UniqueFd directory,
                   OpenAt(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY, path));
  if (made) {
    // Without it a power cut could take the new directory away, and all that was acknowledged.
    ASSIGN_OR_RETURN(const UniqueFd parent, OpenAt(directory.get(), "..", O_RDONLY, path + "/.."));
    RETURN_IF_ERROR(Sync(parent.get(), path + "/.."));
  }
  if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Unwritable("lock", path, errno);
    return Error(absl::StatusCode::kFailedPrecondition, "STATE_IN_USE",
                 absl::StrCat("another agent uses the state in ", path,
                              "; stop it, or give this one another state_dir"));
  }
  return directory;
}

// The size of the file `name`, -1 when there is none.
absl::StatusOr<int64_t> FileSize(int directory, const char* name, const std::string& path) {
  struct stat info;
  if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return -1;
    return Unwritable("look at", path, errno);
  }
  if (!S_ISREG(info.st_mode)) return Corrupt(path, "is not a file");
  return info.st_size;
}

absl::Status CreateSchema(Database& database) {
  return database.Execute(absl::StrCat("BEGIN; PRAGMA application_id = ", kApplicationId,
                                       "; PRAGMA user_version = ", kSchemaVersion, ";", kSchema,
                                       "COMMIT;"));
}

// Makes the database under another name and renames it when it is whole, so that an empty
// state.db can only be a damaged one.
absl::Status CreateFile(int directory, const std::string& directory_path) {
  const std::string path = absl::StrCat(directory_path, "/", kNewFileName);
  if (unlinkat(directory, kNewFileName, 0) != 0 && errno != ENOENT) {
    return Unwritable("remove", path, errno);
  }
  ASSIGN_OR_RETURN(const UniqueFd file,
                   OpenAt(directory, kNewFileName, O_RDWR | O_CREAT | O_EXCL, path));
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, Database::Open(path));
    // Nobody needs to roll a new file back, so its journal can do without one on the disk.
    RETURN_IF_ERROR(database->Execute("PRAGMA journal_mode = MEMORY"));
    RETURN_IF_ERROR(CreateSchema(*database));
  }
  RETURN_IF_ERROR(Sync(file.get(), path));
  if (renameat(directory, kNewFileName, directory, kFileName) != 0) {
    return Unwritable("rename", path, errno);
  }
  return Sync(directory, directory_path);
}

// A number that a pragma gives.
absl::StatusOr<int32_t> QueryNumber(Database& database, absl::string_view pragma) {
  ASSIGN_OR_RETURN(const std::string text, database.QueryText(pragma));
  int32_t number = 0;
  if (!absl::SimpleAtoi(text, &number))
    return absl::InternalError(absl::StrCat(pragma, ": ", text));
  return number;
}

absl::Status CheckFile(Database& database, const std::string& path) {
  ASSIGN_OR_RETURN(const int32_t application, QueryNumber(database, "PRAGMA application_id"));
  if (application != kApplicationId) return Corrupt(path, "is a database of something else");
  ASSIGN_OR_RETURN(const int32_t version, QueryNumber(database, "PRAGMA user_version"));
  if (version > kSchemaVersion) {
    return Error(absl::StatusCode::kFailedPrecondition, "STATE_SCHEMA",
                 absl::StrCat("the node's state ", path, " has schema ", version,
                              ", from a newer agent; this one knows ", kSchemaVersion,
                              ": install the newer one again"));
  }
  if (version < 1) return Corrupt(path, absl::StrCat("has schema ", version));
  ASSIGN_OR_RETURN(const std::string verdict, database.QueryText("PRAGMA integrity_check(1)"));
  if (verdict != "ok") return Corrupt(path, absl::StrCat("is damaged (", verdict, ")"));
  return absl::OkStatus();
}

// Brings a database of an older agent to the schema of this one, all or nothing.
absl::Status Upgrade(Database& database) {
  ASSIGN_OR_RETURN(int32_t version, QueryNumber(database, "PRAGMA user_version"));
  if (version == kSchemaVersion) return absl::OkStatus();
  std::string sql = "BEGIN IMMEDIATE;";
  for (; version < kSchemaVersion; ++version) absl::StrAppend(&sql, kUpgrades[version - 1]);
  absl::StrAppend(&sql, "PRAGMA user_version = ", kSchemaVersion, "; COMMIT;");
  absl::Status status = database.Execute(sql);
  if (!status.ok() && database.InTransaction()) database.Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::StatusOr<std::unique_ptr<Database>> OpenFile(const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path));
  // Till it is known to be good, closing it must not write to it.
  database->SetCheckpointOnClose(false);
  RETURN_IF_ERROR(database->Execute("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON"));
  if (const absl::Status status = CheckFile(*database, path); !status.ok()) {
    // SQLite finds most damage by itself, while it reads for the checks.
    const bool found_by_sqlite = RawCode(status, "sqlite").has_value();
    return absl::IsDataLoss(status) && found_by_sqlite ? Corrupt(path, "is damaged") : status;
  }
  // FULL syncs the log at each commit; NORMAL would lose the last ones in a power cut.
  RETURN_IF_ERROR(database->Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"));
  database->SetCheckpointOnClose(true);
  RETURN_IF_ERROR(Annotate(Upgrade(*database), absl::StrCat("upgrade ", path)));
  return database;
}

}  // namespace

absl::StatusOr<StateFile> OpenStateFile(const std::string& directory) {
  StateFile state;
  ASSIGN_OR_RETURN(state.directory, LockDirectory(directory));
  const int fd = state.directory.get();
  const std::string path = absl::StrCat(directory, "/", kFileName);
  ASSIGN_OR_RETURN(const int64_t size, FileSize(fd, kFileName, path));
  if (size >= 0 && size < kSmallestPage) return Corrupt(path, "is empty or cut short");
  if (size < 0) {
    // SQLite would take the log for the new file's own.
    const std::string log_path = absl::StrCat(directory, "/", kLogName);
    ASSIGN_OR_RETURN(const int64_t log_size, FileSize(fd, kLogName, log_path));
    if (log_size > 0) return Corrupt(path, "is gone, but its log is there");
    RETURN_IF_ERROR(CreateFile(fd, directory));
  }
  ASSIGN_OR_RETURN(state.database, OpenFile(path));
  ASSIGN_OR_RETURN(state.reader, Database::Open(path));
  RETURN_IF_ERROR(state.reader->Execute("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF"));
  return state;
}

absl::StatusOr<StateFile> OpenStateInMemory() {
  StateFile state;
  ASSIGN_OR_RETURN(state.database, Database::Open(":memory:"));
  RETURN_IF_ERROR(CreateSchema(*state.database));
  return state;
}

}  // namespace hvagent::state
