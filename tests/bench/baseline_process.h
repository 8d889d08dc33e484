// The C program of baseline.c, run as a child and told what to do over pipes.
#ifndef HVAGENT_TESTS_BENCH_BASELINE_PROCESS_H_
#define HVAGENT_TESTS_BENCH_BASELINE_PROCESS_H_

#include <sys/types.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace hvagent::bench {

class BaselineProcess {
 public:
  static absl::StatusOr<std::unique_ptr<BaselineProcess>> Start(
      const std::vector<std::string>& command);
  // Waits for its end.
  ~BaselineProcess();

  BaselineProcess(const BaselineProcess&) = delete;
  BaselineProcess& operator=(const BaselineProcess&) = delete;

  pid_t pid() const { return pid_; }

  // Sends `command`; returns the times that it answers, in microseconds. Blocks until then.
  absl::StatusOr<std::vector<double>> Do(const std::string& command);

 private:
  BaselineProcess(pid_t pid, FILE* in, FILE* out) : pid_(pid), in_(in), out_(out) {}

  const pid_t pid_;
  FILE* const in_;
  FILE* const out_;
};

}  // namespace hvagent::bench

#endif  // HVAGENT_TESTS_BENCH_BASELINE_PROCESS_H_
