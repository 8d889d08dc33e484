// How far a transfer is, in one line of a terminal that is written over: a bar with rate and the
// time that is left. Writes nothing when there is no terminal.
#ifndef HVAGENT_AGENTCTL_PROGRESS_H_
#define HVAGENT_AGENTCTL_PROGRESS_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"

namespace hvagent::agentctl {

// "jammy  [=========>          ]  45%  460.8 MiB of 1 GiB  92.2 MiB/s  6s left"; when `total` is
// 0, not known: "jammy  460.8 MiB  92.2 MiB/s". A rate of 0, not known, is left out.
std::string ProgressLine(const std::string& label, uint64_t done, uint64_t total,
                         uint64_t rate_bytes_per_s);

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

  // Draws at most ten times a second. Without a rate it is the mean since the beginning.
  void Update(uint64_t done, uint64_t total,
              std::optional<uint64_t> rate_bytes_per_s = std::nullopt);

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
