// A child process with the descriptors, the environment and the limits that it is given, and no
// more.
#ifndef HVAGENT_AGENT_IMPORTS_CHILD_PROCESS_H_
#define HVAGENT_AGENT_IMPORTS_CHILD_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/unique_fd.h"

namespace hvagent::imports {

// No core is ever dumped, and no file written to (RLIMIT_FSIZE is 0).
struct ChildLimits {
  Bytes address_space;
  absl::Duration cpu_time;
  uint64_t open_files = 0;
};

// Not thread-safe.
class ChildProcess {
 public:
  // Runs argv[0], a path, with an empty environment, /dev/null as standard input and output, and
  // `descriptors` as 3, 4 and so on, which stay the caller's. No other descriptor is passed on. No
  // secret may be in `argv`.
  // Errors: RESOURCE_EXHAUSTED (NO_CHILD_PROCESS). A program that cannot be run is a child that
  // ends at once with exit code 127.
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& argv,
                                            const std::vector<int>& descriptors,
                                            const ChildLimits& limits);

  // Kills the child, if it still runs, and reaps it.
  ~ChildProcess();
  ChildProcess(ChildProcess&&) = default;
  ChildProcess& operator=(ChildProcess&&) = delete;

  pid_t pid() const { return pid_; }

  struct End {
    int exit_code = 0;  // when it was not killed
    int signal = 0;     // that killed it
    // The last line that it wrote to standard error, printable and cut; not to be trusted.
    std::string last_words;
  };
  // Kills the child unless it ends within `patience`, and reaps it. Call it once. Blocks.
  End Stop(absl::Duration patience);

 private:
  ChildProcess(pid_t pid, UniqueFd pidfd, UniqueFd errors)
      : pid_(pid), pidfd_(std::move(pidfd)), errors_(std::move(errors)) {}

  std::string LastWords() const;

  pid_t pid_;
  UniqueFd pidfd_;  // empty once it is reaped
  UniqueFd errors_;
};

}  // namespace hvagent::imports

#endif  // HVAGENT_AGENT_IMPORTS_CHILD_PROCESS_H_
