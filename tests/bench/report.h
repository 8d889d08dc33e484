// What the benchmarks found, as a table for people and as JSON for machines.
#ifndef HVAGENT_TESTS_BENCH_REPORT_H_
#define HVAGENT_TESTS_BENCH_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hvagent::bench {

// Of at least one value.
double Median(std::vector<double> values);

class Report {
 public:
  enum class Bound { kAtMost, kAtLeast };

  // `agent` and `baseline` are medians in `unit`; what is judged is `value` against `bound`.
  struct Line {
    std::string what;
    double agent = 0;
    double baseline = 0;
    std::string unit;
    double value = 0;
    Bound kind = Bound::kAtMost;
    double bound = 0;
    size_t samples = 0;

    bool Passed() const { return kind == Bound::kAtMost ? value <= bound : value >= bound; }
  };

  void Add(Line line);
  // Worth knowing, and not judged.
  void Note(std::string note);

  bool Passed() const;
  std::string Table() const;
  absl::Status WriteJson(const std::string& path) const;

 private:
  std::vector<Line> lines_;
  std::vector<std::string> notes_;
};

}  // namespace hvagent::bench

#endif  // HVAGENT_TESTS_BENCH_REPORT_H_
