// The database file of a state directory: made whole or not at all, held by one process at a time,
// and checked before it is used. Private to agent/state.
#ifndef HVAGENT_AGENT_STATE_STATE_FILE_H_
#define HVAGENT_AGENT_STATE_STATE_FILE_H_

#include <unistd.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/state/sqlite.h"
#include "base/unique_handle.h"

namespace hvagent::state {

struct FdTraits {
  using Handle = int;
  static int Invalid() { return -1; }
  static void Close(int fd) { close(fd); }
};
using UniqueFd = UniqueHandle<FdTraits>;

struct StateFile {
  // The directory, locked with flock(2) for as long as it is open; the kernel lets go of it when
  // the process dies. Not a lock on the database: an operator may read that with sqlite3.
  UniqueFd directory;
  // Both are closed before the lock is given up.
  std::unique_ptr<Database> database;
  // For reads alone: it sees what is committed, and waits for no commit. Null in memory, where a
  // second connection would see a database of its own.
  std::unique_ptr<Database> reader;
};

// As StateStore::Open, and with the same errors.
absl::StatusOr<StateFile> OpenStateFile(const std::string& directory);

// An empty state in memory, with neither file nor lock.
absl::StatusOr<StateFile> OpenStateInMemory();

}  // namespace hvagent::state

#endif  // HVAGENT_AGENT_STATE_STATE_FILE_H_
