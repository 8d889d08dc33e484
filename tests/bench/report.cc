#include "tests/bench/report.h"

#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hvagent::bench {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void Report::Add(Line line) { lines_.push_back(std::move(line)); }

void Report::Note(std::string note) { notes_.push_back(std::move(note)); }

bool Report::Passed() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const Line& line) { return line.Passed(); });
}

std::string Report::Table() const {
  std::string table = absl::StrFormat("%-62s %10s %10s %-7s %8s %9s %4s\n", "", "agent", "baseline",
                                      "", "value", "bound", "n");
  for (const Line& line : lines_) {
    absl::StrAppendFormat(&table, "%-62s %10.2f %10.2f %-7s %8.3f %s %6.2f %4d  %s\n", line.what,
                          line.agent, line.baseline, line.unit, line.value,
                          line.kind == Bound::kAtMost ? "<=" : ">=", line.bound, line.samples,
                          line.Passed() ? "PASS" : "FAIL");
  }
  for (const std::string& note : notes_) absl::StrAppend(&table, "  ", note, "\n");
  return table;
}

absl::Status Report::WriteJson(const std::string& path) const {
  std::ofstream file(path);
  file << "{\"passed\": " << (Passed() ? "true" : "false") << ", \"results\": [";
  const char* separator = "\n";
  for (const Line& line : lines_) {
    file << separator
         << absl::StrFormat(
                "  {\"what\": \"%s\", \"agent\": %.3f, \"baseline\": %.3f, \"unit\": \"%s\", "
                "\"value\": %.4f, \"%s\": %.3f, \"samples\": %d, \"passed\": %s}",
                line.what, line.agent, line.baseline, line.unit, line.value,
                line.kind == Bound::kAtMost ? "at_most" : "at_least", line.bound, line.samples,
                line.Passed() ? "true" : "false");
    separator = ",\n";
  }
  file << "\n], \"notes\": [";
  separator = "\n";
  for (const std::string& note : notes_) {
    file << separator << "  \"" << note << "\"";
    separator = ",\n";
  }
  file << "\n]}\n";
  file.close();
  return file ? absl::OkStatus() : absl::UnknownError(absl::StrCat("cannot write ", path));
}

}  // namespace hvagent::bench
