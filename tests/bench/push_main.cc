// bench_push: what a push costs the agent between the message and the answer, against parsing the
// same message. In this process, on a state file and the memory backends; no VM is worked on.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "hvagent/v1/push.pb.h"
#include "tests/bench/pushed_node.h"
#include "tests/bench/report.h"

namespace hvagent::bench {
namespace {

using Bound = Report::Bound;

template <typename Body>
double Milliseconds(Body body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

struct Times {
  std::vector<double> parse_ms, push_ms;
  // What a push takes longer than the one before, which changes nothing.
  std::vector<double> change_ms;
};

// One push, one VM of which is changed if `change`.
void MeasureOne(PushedNode& node, bool change, Times& times) {
  if (change) node.ChangeOne();
  const std::string bytes = node.NextMessage();
  v1::PushStateRequest push;
  times.parse_ms.push_back(Milliseconds([&] { push.ParseFromString(bytes); }));
  times.push_ms.push_back(Milliseconds([&] { node.Push(push); }));
}

Times MeasureSame(PushedNode& node, size_t count) {
  Times times;
  for (size_t i = 0; i < count; ++i) MeasureOne(node, false, times);
  return times;
}

// Of pairs of pushes; push_ms are those with a change.
Times MeasureChange(PushedNode& node, size_t count) {
  Times times;
  for (size_t i = 0; i < count; ++i) {
    Times same;
    MeasureOne(node, false, same);
    MeasureOne(node, true, times);
    times.change_ms.push_back(times.push_ms.back() - same.push_ms.back());
  }
  return times;
}

int Main(int argc, char** argv) {
  std::string output;
  size_t pairs = 31;
  CLI::App app("Measures pushes; exits 4 when a bound is missed");
  app.add_option("--output", output, "Where the results go, as JSON")->required();
  app.add_option("--pairs", pairs, "How many pairs of each")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  std::string folder = "/var/tmp/hvagent-bench-push.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  Report report;
  {
    PushedNode many(absl::StrCat(folder, "/many")), few(absl::StrCat(folder, "/few"));
    many.AddVms(1000);
    few.AddVms(10);
    MeasureSame(many, 1);
    MeasureSame(few, 1);
    const uint64_t calls = many.backend_calls();
    const Times same = MeasureSame(many, pairs);
    report.Add({"push of 1,000 VMs that changes nothing, by parsing it", Median(same.push_ms),
                Median(same.parse_ms), "ms", Median(same.push_ms) / Median(same.parse_ms),
                Bound::kAtMost, 5, pairs});
    const auto made = static_cast<double>(many.backend_calls() - calls);
    report.Add({"push of 1,000 VMs that changes nothing: libvirt and Ceph calls", made, 0, "", made,
                Bound::kAtMost, 0, pairs});
    const Times one_of_many = MeasureChange(many, pairs);
    const Times one_of_few = MeasureChange(few, pairs);
    const double in_many = Median(one_of_many.change_ms), in_few = Median(one_of_few.change_ms);
    report.Add({"one changed VM more among 1,000, by one more among 10", in_many, in_few, "ms",
                in_many / in_few, Bound::kAtMost, 1.5, pairs});
    report.Note(
        absl::StrFormat("the whole push with one change: %.1f ms among 1,000, %.1f ms among 10",
                        Median(one_of_many.push_ms), Median(one_of_few.push_ms)));
  }
  std::printf("%s", report.Table().c_str());
  const bool written = report.WriteJson(output).ok();
  if (std::filesystem::remove_all(folder) == 0 || !written) return 1;
  return report.Passed() ? 0 : 4;
}

}  // namespace
}  // namespace hvagent::bench

int main(int argc, char** argv) { return hvagent::bench::Main(argc, argv); }
