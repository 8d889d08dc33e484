// How far a transfer is, in one line of a terminal that is written over: a bar with rate and the
// time that is left. Writes nothing when there is no terminal.
#ifndef HVAGENT_AGENTCTL_PROGRESS_H_
#define HVAGENT_AGENTCTL_PROGRESS_H_

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"

namespace hvagent::agentctl {

// "jammy  [=========>          ]  45%  460.8 MiB of 1 GiB  92.2 MiB/s  6s left"; when `total` is
// 0, not known: "jammy  460.8 MiB  92.2 MiB/s".
std::string ProgressLine(const std::string& label, uint64_t done, uint64_t total,
                         absl::Duration elapsed);

// Not thread-safe.
class Progress {
 public:
  // `out` is written to only when `is_terminal`.
  Progress(std::ostream& out, bool is_terminal, const std::string& label,
           const Clock& clock = SystemClock());
  // Takes the line away.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Draws at most ten times a second.
  void Update(uint64_t done, uint64_t total);

 private:
  std::ostream& out_;
  const bool is_terminal_;
  const std::string label_;
  const Clock& clock_;
  const absl::Duration start_;
  absl::Duration last_drawn_ = -absl::InfiniteDuration();
};

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_PROGRESS_H_
