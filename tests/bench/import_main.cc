// bench_import: how long an image takes from a file on the node into RBD, by the agent and by the
// programs that people use for it: `qemu-img convert` into an image that is there, and `rbd
// import`. Runs on a node of a lab; the agent makes a golden snapshot besides, and a digest.
//
// Beside each it notes how long a C program takes that only writes the data (import_baseline.c): by
// no more than that can anything be faster on this cluster.

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "tests/bench/process_probe.h"
#include "tests/bench/report.h"

namespace hvagent::bench {
namespace {

constexpr char kImage[] = "bench-import";
constexpr char kSpec[] = "images/bench-import";
constexpr Bytes kDisk = GiB(1);
constexpr Bytes kStretch = MiB(8);

// A raw disk of which `percent` of each 8 MiB are data that cannot be compressed.
absl::Status MakeDisk(const std::string& path, uint64_t percent) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file || ftruncate(file.get(), static_cast<off_t>(kDisk.count())) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  std::mt19937_64 random(percent);
  std::vector<uint64_t> data(kStretch.count() * percent / 100 / sizeof(uint64_t));
  for (uint64_t at = 0; at < kDisk.count(); at += kStretch.count()) {
    for (uint64_t& word : data) word = random();
    const size_t bytes = data.size() * sizeof(uint64_t);
    if (pwrite(file.get(), data.data(), bytes, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(bytes)) {
      return absl::ErrnoToStatus(errno, path);
    }
  }
  return absl::OkStatus();
}

using Command = std::vector<std::string>;

// Milliseconds that `command` takes.
absl::StatusOr<double> Time(const Command& command) {
  const auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(RunCommand(command));
  const auto end = std::chrono::steady_clock::now();
  return std::chrono::duration<double, std::milli>(end - start).count();
}

struct Comparison {
  std::string what;
  Command prepare_baseline;  // not timed; may be empty
  Command baseline;
  Command floor;
  Command agent;
  double bound;  // times as fast, at least
};

class Bench {
 public:
  Bench(std::string agentctl, std::string floor, std::string folder, size_t pairs)
      : agentctl_(std::move(agentctl)),
        floor_(std::move(floor)),
        folder_(std::move(folder)),
        pairs_(pairs) {}

  absl::Status Run(Report& report) {
    const absl::Cleanup remove = [&] {
      for (const char* name : {"sparse.raw", "dense.raw", "sparse.qcow2", "dense.qcow2"}) {
        unlink(File(name).c_str());
      }
    };
    for (const auto& [name, percent] : {std::pair("sparse", 25), std::pair("dense", 100)}) {
      const std::string raw = File(absl::StrCat(name, ".raw"));
      RETURN_IF_ERROR(MakeDisk(raw, static_cast<uint64_t>(percent)));
      RETURN_IF_ERROR(RunCommand({"qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw,
                                  File(absl::StrCat(name, ".qcow2"))}));
    }
    for (const Comparison& comparison :
         {Qcow2("qcow2 25 % dense", "sparse.qcow2"), Qcow2("qcow2 100 % dense", "dense.qcow2"),
          Raw("raw 25 % dense", "sparse.raw", 2.5), Raw("raw 100 % dense", "dense.raw", 1)}) {
      RETURN_IF_ERROR(Measure(comparison, report));
    }
    return absl::OkStatus();
  }

 private:
  std::string File(const std::string& name) const { return absl::StrCat(folder_, "/", name); }

  Command Import(const std::string& file, const std::string& format) const {
    return {agentctl_, "image", "import",   File(file), "--on-node",
            "--id",    kImage,  "--format", format};
  }

  Command Floor(const std::string& raw_file) const {
    return {floor_, File(raw_file), "hvagent", "images", kImage};
  }

  Comparison Qcow2(const std::string& what, const std::string& file) const {
    return {absl::StrCat(what, ", against qemu-img convert -n -W -m 16"),
            {"rbd", "--id", "hvagent", "create", "--size", absl::StrCat(kDisk.count() >> 20),
             "--object-size", "8M", kSpec},
            {"qemu-img", "convert", "-n", "-W", "-m", "16", "-f", "qcow2", "-O", "raw", File(file),
             absl::StrCat("rbd:", kSpec, ":id=hvagent")},
            Floor(absl::StrCat(file.substr(0, file.find('.')), ".raw")),
            Import(file, "qcow2"),
            1};
  }

  Comparison Raw(const std::string& what, const std::string& file, double bound) const {
    return {absl::StrCat(what, ", against rbd import"),
            {},
            {"rbd", "--id", "hvagent", "import", "--no-progress", "--object-size", "8M", File(file),
             kSpec},
            Floor(file),
            Import(file, "raw"),
            bound};
  }

  absl::StatusOr<double> TimeBaseline(const Comparison& comparison) const {
    if (!comparison.prepare_baseline.empty()) {
      RETURN_IF_ERROR(RunCommand(comparison.prepare_baseline));
    }
    return TimeAndRemove(comparison.baseline);
  }

  absl::StatusOr<double> TimeAndRemove(const Command& command) const {
    ASSIGN_OR_RETURN(const double time, Time(command));
    RETURN_IF_ERROR(RunCommand({"rbd", "--id", "hvagent", "rm", "--no-progress", kSpec}));
    return time;
  }

  absl::StatusOr<double> TimeAgent(const Comparison& comparison) const {
    ASSIGN_OR_RETURN(const double time, Time(comparison.agent));
    RETURN_IF_ERROR(RunCommand({agentctl_, "image", "delete", kImage, "--yes"}));
    return time;
  }

  absl::Status Measure(const Comparison& comparison, Report& report) const {
    std::vector<double> agent, baseline, floor;
    // The first pair warms both sides; each goes first every other time.
    for (size_t i = 0; i <= pairs_; ++i) {
      double of_agent = 0;
      if (i % 2 == 0) {
        ASSIGN_OR_RETURN(of_agent, TimeAgent(comparison));
      }
      ASSIGN_OR_RETURN(const double of_baseline, TimeBaseline(comparison));
      if (i % 2 != 0) {
        ASSIGN_OR_RETURN(of_agent, TimeAgent(comparison));
      }
      ASSIGN_OR_RETURN(const double of_floor, TimeAndRemove(comparison.floor));
      if (i == 0) continue;
      floor.push_back(of_floor);
      agent.push_back(of_agent);
      baseline.push_back(of_baseline);
      std::fprintf(stderr, "\r%s: pair %zu of %zu   ", comparison.what.c_str(), i, pairs_);
    }
    std::fprintf(stderr, "\n");
    report.Add({comparison.what, Median(agent), Median(baseline), "ms",
                Median(baseline) / Median(agent), Report::Bound::kAtLeast, comparison.bound,
                pairs_});
    report.Note(
        absl::StrFormat("%s: only to write the data takes %.0f ms, so at most %.2f is "
                        "possible; the agent takes %.2f of that time",
                        comparison.what, Median(floor), Median(baseline) / Median(floor),
                        Median(agent) / Median(floor)));
    return absl::OkStatus();
  }

  const std::string agentctl_;
  const std::string floor_;
  const std::string folder_;
  const size_t pairs_;
};

int Main(int argc, char** argv) {
  std::string agentctl;
  std::string floor;
  std::string folder;
  std::string output;
  size_t pairs = 31;
  CLI::App app("bench_import: images from files on the node");
  app.add_option("--agentctl", agentctl, "The program")->required();
  app.add_option("--floor", floor, "The program that only writes, bench_write")->required();
  app.add_option("--folder", folder, "The node's import folder")->required();
  app.add_option("--output", output, "Where the results go, as JSON")->required();
  app.add_option("--pairs", pairs, "Interleaved pairs")->check(CLI::Range(1, 1000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  Report report;
  absl::Status status = Bench(agentctl, floor, folder, pairs).Run(report);
  if (status.ok()) {
    std::fputs(report.Table().c_str(), stdout);
    status = report.WriteJson(output);
  }
  if (status.ok()) return report.Passed() ? 0 : 4;
  std::fprintf(stderr, "bench_import: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace hvagent::bench

int main(int argc, char** argv) { return hvagent::bench::Main(argc, argv); }
