// Looks at a process from outside: its CPU time and memory, the RADOS operations that it made, and
// what it starts and connects to.
#ifndef HVAGENT_TESTS_BENCH_PROCESS_PROBE_H_
#define HVAGENT_TESTS_BENCH_PROCESS_PROBE_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace hvagent::bench {

// Runs a command to its end without a shell. Errors: UNKNOWN with its exit code.
absl::Status RunCommand(const std::vector<std::string>& command);

class ProcessProbe {
 public:
  // A Ceph client whose admin socket is in /run/ceph/guests, as the nodes' ceph.conf says.
  explicit ProcessProbe(pid_t pid) : pid_(pid) {}

  // Over all its threads.
  absl::StatusOr<absl::Duration> CpuTime() const;
  absl::StatusOr<double> RssAnonMib() const;

  // How many operations its librados has sent to OSDs since it started.
  absl::StatusOr<double> RadosOps() const;

  struct Trace {
    int processes = 0;
    int threads = 0;
    int connects = 0;
  };
  // What it starts and connects to while `body` runs, seen by strace.
  absl::StatusOr<Trace> TraceDuring(const std::function<absl::Status()>& body) const;

 private:
  absl::StatusOr<std::string> AskAdminSocket(const std::string& command) const;

  const pid_t pid_;
};

}  // namespace hvagent::bench

#endif  // HVAGENT_TESTS_BENCH_PROCESS_PROBE_H_
