#include "agentctl/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agentctl/errors.h"
#include "agentctl/views.h"

namespace hvagent::agentctl {
namespace {

constexpr size_t kBarWidth = 30;
constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr char kClearLine[] = "\r\x1b[K";

}  // namespace

std::string ProgressLine(const std::string& label, uint64_t done, uint64_t total,
                         uint64_t rate_bytes_per_s) {
  const std::string rate =
      rate_bytes_per_s == 0 ? "" : absl::StrCat("  ", BytesText(rate_bytes_per_s), "/s");
  if (total == 0) return absl::StrCat(label, "  ", BytesText(done), rate);

  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<size_t>(share * kBarWidth);
  std::string bar = std::string(filled, '=');
  if (filled < kBarWidth) bar += '>';
  bar.resize(kBarWidth, ' ');
  std::string line =
      absl::StrFormat("%s  [%s] %3d%%  %s of %s%s", label, bar, static_cast<int>(share * 100),
                      BytesText(done), BytesText(total), rate);
  if (rate_bytes_per_s > 0 && done < total) {
    const auto left = absl::Seconds((total - done) / rate_bytes_per_s);
    absl::StrAppend(&line, "  ", DurationText(left), " left");
  }
  return line;
}

Progress::Progress(std::ostream& out, bool is_terminal, const std::string& label,
                   const Clock& clock)
    : out_(out),
      is_terminal_(is_terminal),
      label_(OneLine(label)),
      clock_(clock),
      start_(clock.Monotonic()) {}

Progress::~Progress() {
  if (is_terminal_) out_ << kClearLine << std::flush;
}

void Progress::Update(uint64_t done, uint64_t total, std::optional<uint64_t> rate_bytes_per_s) {
  const absl::Duration now = clock_.Monotonic();
  if (!is_terminal_ || now - last_drawn_ < kRedraw) return;
  last_drawn_ = now;
  const double seconds = absl::ToDoubleSeconds(now - start_);
  const auto mean = static_cast<uint64_t>(seconds > 0 ? static_cast<double>(done) / seconds : 0);
  out_ << kClearLine << ProgressLine(label_, done, total, rate_bytes_per_s.value_or(mean))
       << std::flush;
}

}  // namespace hvagent::agentctl
