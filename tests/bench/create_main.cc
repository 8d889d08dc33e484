// bench_create: how many VMs a second a node brings to RUNNING, by how many it has already. In this
// process, on a state file and the memory backends: what is measured is the agent's own work.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "tests/bench/pushed_node.h"
#include "tests/bench/report.h"

namespace hvagent::bench {
namespace {

using Bound = Report::Bound;

// Made at once, and removed again.
constexpr size_t kBatch = 100;

double CreatedPerSecond(PushedNode& node) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<std::string> made = node.CreateAndWait(kBatch);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  node.DeleteAndWait(made);
  return kBatch / took.count();
}

int Main(int argc, char** argv) {
  std::string output;
  size_t pairs = 31;
  CLI::App app("Measures creations among 10 to 10,000 VMs; exits 4 when a bound is missed");
  app.add_option("--output", output, "Where the results go, as JSON")->required();
  app.add_option("--pairs", pairs, "How many batches of each")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  FLAGS_minloglevel = google::GLOG_FATAL;  // each action of each VM is a line

  std::string folder = "/var/tmp/hvagent-bench-create.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  Report report;
  {
    PushedNode node(absl::StrCat(folder, "/state"));
    node.Start();
    double among_ten = 0;
    size_t vms = 0;
    for (const size_t existing : {10, 100, 1000, 10000}) {
      node.CreateAndWait(existing - vms);
      vms = existing;
      std::vector<double> rates;
      for (size_t i = 0; i < pairs; ++i) rates.push_back(CreatedPerSecond(node));
      const double rate = Median(rates);
      if (existing == 10) {
        among_ten = rate;
        report.Note(absl::StrFormat("among 10 VMs: %.0f a second", rate));
        continue;
      }
      report.Add({absl::StrCat("VMs created a second among ", existing, ", by those among 10"),
                  rate, among_ten, "/s", rate / among_ten, Bound::kAtLeast, 0.9, pairs});
    }
  }
  std::printf("%s", report.Table().c_str());
  const bool written = report.WriteJson(output).ok();
  if (std::filesystem::remove_all(folder) == 0 || !written) return 1;
  return report.Passed() ? 0 : 4;
}

}  // namespace
}  // namespace hvagent::bench

int main(int argc, char** argv) { return hvagent::bench::Main(argc, argv); }
