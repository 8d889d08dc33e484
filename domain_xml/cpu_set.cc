#include "domain_xml/cpu_set.h"

#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace hvagent::domain_xml {
namespace {

constexpr uint32_t kLimit = 4096;

absl::Status NoCpuSet() {
  return absl::InvalidArgumentError(
      absl::StrCat("must be numbers below ", kLimit, " and ranges of them, as 0-3,8"));
}

bool ReadNumber(absl::string_view text, uint32_t& number) {
  // SimpleAtoi takes spaces and signs too.
  return !text.empty() && text.find_first_not_of("0123456789") == absl::string_view::npos &&
         absl::SimpleAtoi(text, &number) && number < kLimit;
}

}  // namespace

absl::StatusOr<std::set<uint32_t>> ParseCpuSet(absl::string_view text) {
  std::set<uint32_t> cpus;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(part, absl::MaxSplits('-', 1));
    const bool is_range = part.find('-') != absl::string_view::npos;
    uint32_t first = 0;
    uint32_t last = 0;
    if (!ReadNumber(ends.first, first)) return NoCpuSet();
    if (!ReadNumber(is_range ? ends.second : ends.first, last) || last < first) return NoCpuSet();
    for (uint32_t cpu = first; cpu <= last; ++cpu) cpus.insert(cpu);
  }
  return cpus;
}

std::string FormatCpuSet(const std::set<uint32_t>& cpus) {
  std::string text;
  for (auto first = cpus.begin(); first != cpus.end();) {
    auto last = first;
    while (std::next(last) != cpus.end() && *std::next(last) == *last + 1) ++last;
    absl::StrAppend(&text, text.empty() ? "" : ",", *first);
    if (last != first) absl::StrAppend(&text, "-", *last);
    first = std::next(last);
  }
  return text;
}

}  // namespace hvagent::domain_xml
