#include "agent/operations/progress_rate.h"

namespace hvagent::operations {
namespace {

constexpr absl::Duration kWindow = absl::Seconds(10);
constexpr absl::Duration kStep = absl::Milliseconds(100);

}  // namespace

void ProgressRate::Add(absl::Duration at, uint64_t bytes_done) {
  // A job that begins anew starts its account anew.
  if (!reports_.empty() && bytes_done < reports_.back().second) reports_.clear();
  if (reports_.size() > 1 && at - reports_[reports_.size() - 2].first < kStep) {
    reports_.back() = {at, bytes_done};
  } else {
    reports_.emplace_back(at, bytes_done);
  }
  while (reports_.size() > 2 && at - reports_[1].first >= kWindow) reports_.pop_front();
}

uint64_t ProgressRate::bytes_per_s() const {
  if (reports_.size() < 2) return 0;
  const auto& [begin, begin_bytes] = reports_.front();
  const auto& [end, end_bytes] = reports_.back();
  if (end - begin < kStep) return 0;
  return static_cast<uint64_t>(static_cast<double>(end_bytes - begin_bytes) /
                               absl::ToDoubleSeconds(end - begin));
}

}  // namespace hvagent::operations
