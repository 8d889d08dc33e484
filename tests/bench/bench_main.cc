// Measures the agent of this node against baseline.c, pair by pair, and judges the ratios of the
// medians. tests/bench/run brings the lab and the image for it.
//
// What is measured is the daemon itself, from outside: over its socket, through its log, and by
// what the kernel and librados count of it. Both sides of a pair take turns to go first.
#include <cstdio>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "tests/bench/agent_under_test.h"
#include "tests/bench/baseline_process.h"
#include "tests/bench/process_probe.h"
#include "tests/bench/report.h"

namespace hvagent::bench {
namespace {

constexpr char kCephConf[] = "/etc/ceph/ceph.conf";
constexpr char kKeyring[] = "/etc/ceph/ceph.client.hvagent.keyring";
constexpr char kEntity[] = "client.hvagent";
constexpr int kGiB = 1 << 30;
constexpr size_t kStormSize = 20;
constexpr size_t kIdleGuests = 10;
// The guests' own start is over after the first; after the second the agent has tidied up, too.
constexpr absl::Duration kGuestsSettle = absl::Seconds(10);
constexpr absl::Duration kAgentSettles = absl::Seconds(70);
constexpr absl::Duration kIdleTime = absl::Seconds(30);

struct Flags {
  std::string image;
  std::string baseline;
  std::string output;
  std::string only;
  size_t pairs = 31;
};

using Bound = Report::Bound;

double Milliseconds(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

absl::StatusOr<double> TimeMs(const std::function<absl::Status()>& body) {
  const auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(body());
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

class Bench {
 public:
  Bench(Flags flags, AgentUnderTest& agent, BaselineProcess& baseline)
      : flags_(std::move(flags)),
        agent_(agent),
        baseline_(baseline),
        agent_probe_(agent.pid()),
        baseline_probe_(baseline.pid()) {}

  absl::Status Run() {
    const auto wanted = [&](absl::string_view part) {
      return flags_.only.empty() || flags_.only == part;
    };
    RETURN_IF_ERROR(Boots("warming up", "boot", /*count=*/2).status());
    if (wanted("idle")) RETURN_IF_ERROR(Idle());
    if (wanted("storage")) RETURN_IF_ERROR(Storage());
    if (wanted("rbd")) RETURN_IF_ERROR(CommandLine());
    if (wanted("boot")) RETURN_IF_ERROR(JudgeBoots());
    if (wanted("boot")) RETURN_IF_ERROR(Traced());
    if (wanted("storm")) RETURN_IF_ERROR(Storm());
    if (wanted("idle")) RETURN_IF_ERROR(IdleAfterAll());
    return absl::OkStatus();
  }

  const Report& report() const { return report_; }

 private:
  // Runs `agent` and `baseline` in turn, each first every other time, on a VM of its own that is
  // removed afterwards. Both return milliseconds.
  using Side = std::function<absl::StatusOr<double>(const std::string& uuid)>;
  struct Pairs {
    std::vector<double> agent, baseline, agent_ops, baseline_ops;
  };
  absl::StatusOr<Pairs> Interleave(const char* what, size_t count, const Side& agent,
                                   const Side& baseline) {
    Pairs pairs;
    for (size_t i = 0; i < count; ++i) {
      for (const bool agents_turn : {i % 2 == 0, i % 2 != 0}) {
        const std::string uuid = Uuid::Random().ToString();
        const ProcessProbe& probe = agents_turn ? agent_probe_ : baseline_probe_;
        ASSIGN_OR_RETURN(const double ops_before, probe.RadosOps());
        ASSIGN_OR_RETURN(const double time, agents_turn ? agent(uuid) : baseline(uuid));
        ASSIGN_OR_RETURN(const double ops_after, probe.RadosOps());
        (agents_turn ? pairs.agent : pairs.baseline).push_back(time);
        (agents_turn ? pairs.agent_ops : pairs.baseline_ops).push_back(ops_after - ops_before);
        if (agents_turn) {
          RETURN_IF_ERROR(agent_.Delete(uuid));
        } else {
          RETURN_IF_ERROR(baseline_.Do("remove " + uuid).status());
        }
      }
      std::fprintf(stderr, "\r%s: pair %zu of %zu   ", what, i + 1, count);
    }
    std::fprintf(stderr, "\n");
    return pairs;
  }

  void Judge(const std::string& what, const Pairs& pairs) {
    const double agent = Median(pairs.agent);
    const double baseline = Median(pairs.baseline);
    report_.Add(
        {what, agent, baseline, "ms", agent / baseline, Bound::kAtMost, 1.15, pairs.agent.size()});
    const double agent_ops = Median(pairs.agent_ops);
    const double baseline_ops = Median(pairs.baseline_ops);
    report_.Add({what + ": RADOS operations", agent_ops, baseline_ops, "ops",
                 agent_ops - baseline_ops, Bound::kAtMost, 0, pairs.agent_ops.size()});
  }

  absl::StatusOr<double> AgentStorage(const std::string& uuid) {
    RETURN_IF_ERROR(agent_.NewStorageStages().status());  // those of earlier boots
    RETURN_IF_ERROR(agent_.Apply(agent_.Guest(uuid, v1::STOPPED)));
    ASSIGN_OR_RETURN(const auto stages, agent_.NewStorageStages());
    if (stages.size() != 1) return absl::InternalError("the agent's log lacks the storage stage");
    return Milliseconds(stages[0].end - stages[0].begin);
  }

  absl::StatusOr<double> SumMs(const std::string& command) {
    ASSIGN_OR_RETURN(const std::vector<double> times, baseline_.Do(command));
    double sum = 0;
    for (const double time : times) sum += time;
    return sum / 1000;
  }

  absl::Status Storage() {
    ASSIGN_OR_RETURN(
        const Pairs pairs,
        Interleave(
            "storage", flags_.pairs, [&](const std::string& uuid) { return AgentStorage(uuid); },
            [&](const std::string& uuid) { return SumMs("storage " + uuid); }));
    Judge("storage stage (clone, mark, grow)", pairs);
    const std::string uuid = Uuid::Random().ToString();
    ASSIGN_OR_RETURN(const double before, baseline_probe_.RadosOps());
    RETURN_IF_ERROR(SumMs("clone " + uuid).status());
    ASSIGN_OR_RETURN(const double after, baseline_probe_.RadosOps());
    report_.Note(absl::StrFormat("clone and grow alone, without the mark: %.0f RADOS operations",
                                 after - before));
    return baseline_.Do("remove " + uuid).status();
  }

  absl::Status CommandLine() {
    ASSIGN_OR_RETURN(
        const Pairs pairs,
        Interleave(
            "rbd clone, rbd resize", flags_.pairs,
            [&](const std::string& uuid) { return AgentStorage(uuid); },
            [&](const std::string& uuid) {
              const std::string disk = absl::StrCat("vms/", uuid, "_disk");
              return TimeMs([&]() -> absl::Status {
                RETURN_IF_ERROR(RunCommand({"rbd", "--name", kEntity, "clone",
                                            absl::StrCat("images/", flags_.image, "@snap"), disk}));
                return RunCommand(
                    {"rbd", "--name", kEntity, "resize", "--no-progress", "--size", "1G", disk});
              });
            }));
    const double agent = Median(pairs.agent);
    const double baseline = Median(pairs.baseline);
    report_.Add({"storage stage, times as fast as `rbd clone; resize`", agent, baseline, "ms",
                 baseline / agent, Bound::kAtLeast, 2.5, pairs.agent.size()});
    return absl::OkStatus();
  }

  // `command`: boot, or bare for the same without what the registry costs.
  absl::StatusOr<Pairs> Boots(const char* what, absl::string_view command, size_t count) {
    return Interleave(
        what, count,
        [&](const std::string& uuid) {
          const v1::VmSpec spec = agent_.Guest(uuid, v1::RUNNING);
          return TimeMs([&] { return agent_.Apply(spec); });
        },
        [&](const std::string& uuid) -> absl::StatusOr<double> {
          ASSIGN_OR_RETURN(const std::string xml,
                           agent_.RenderXml(agent_.Guest(uuid, v1::RUNNING)));
          return SumMs(absl::StrCat(command, " ", uuid, " ", xml));
        });
  }

  absl::Status JudgeBoots() {
    ASSIGN_OR_RETURN(const Pairs alike, Boots("boot", "boot", flags_.pairs));
    Judge("Apply to RUNNING", alike);
    ASSIGN_OR_RETURN(const Pairs bare, Boots("boot without registry", "bare", flags_.pairs));
    const double agent = Median(bare.agent);
    const double baseline = Median(bare.baseline);
    report_.Add({"Apply to RUNNING, by a boot without the registry", agent, baseline, "ms",
                 agent / baseline, Bound::kAtMost, 1.15, bare.agent.size()});
    report_.Note(absl::StrFormat("RADOS operations that the registry adds to a boot: %.0f",
                                 Median(bare.agent_ops) - Median(bare.baseline_ops)));
    return absl::OkStatus();
  }

  absl::Status Traced() {
    const std::string uuid = Uuid::Random().ToString();
    ASSIGN_OR_RETURN(const ProcessProbe::Trace trace, agent_probe_.TraceDuring([&] {
      return agent_.Apply(agent_.Guest(uuid, v1::RUNNING));
    }));
    report_.Add({"Apply to RUNNING: child processes", 1.0 * trace.processes, 0, "",
                 1.0 * trace.processes, Bound::kAtMost, 0, 1});
    report_.Add({"Apply to RUNNING: connections made", 1.0 * trace.connects, 0, "",
                 1.0 * trace.connects, Bound::kAtMost, 0, 1});
    report_.Note(absl::StrCat("threads that the agent started during an Apply: ", trace.threads));
    return agent_.Delete(uuid);
  }

  // Guests that are defined and not started: what twenty QEMUs at once do to this machine is not
  // what is measured.
  absl::Status Storm() {
    std::vector<double> agent_ms;
    std::vector<double> baseline_ms;
    for (size_t i = 0; i < flags_.pairs; ++i) {
      for (const bool agents_turn : {i % 2 == 0, i % 2 != 0}) {
        std::vector<std::string> uuids(kStormSize);
        for (std::string& uuid : uuids) uuid = Uuid::Random().ToString();
        ASSIGN_OR_RETURN((agents_turn ? agent_ms : baseline_ms).emplace_back(),
                         agents_turn ? AgentStorm(uuids) : BaselineStorm(uuids));
        RETURN_IF_ERROR(RemoveStorm(uuids, agents_turn));
      }
      std::fprintf(stderr, "\r%zu boots at once: pair %zu of %zu   ", kStormSize, i + 1,
                   flags_.pairs);
    }
    std::fprintf(stderr, "\n");
    const double agent = kStormSize / Median(agent_ms) * 1000;
    const double baseline = kStormSize / Median(baseline_ms) * 1000;
    report_.Add({absl::StrCat(kStormSize, " boots at once: root disks a second"), agent, baseline,
                 "disks/s", agent / baseline, Bound::kAtLeast, 0.9, agent_ms.size()});
    return absl::OkStatus();
  }

  absl::StatusOr<double> AgentStorm(const std::vector<std::string>& uuids) {
    RETURN_IF_ERROR(agent_.NewStorageStages().status());  // those of earlier boots
    RETURN_IF_ERROR(AtOnce(uuids, [&](const std::string& uuid) {
      return agent_.Apply(agent_.Guest(uuid, v1::STOPPED));
    }));
    ASSIGN_OR_RETURN(const auto stages, agent_.NewStorageStages());
    if (stages.size() != uuids.size()) {
      return absl::InternalError("the agent's log lacks storage stages");
    }
    absl::Time begin = absl::InfiniteFuture();
    absl::Time end = absl::InfinitePast();
    for (const auto& stage : stages) {
      begin = std::min(begin, stage.begin);
      end = std::max(end, stage.end);
    }
    return Milliseconds(end - begin);
  }

  absl::StatusOr<double> BaselineStorm(const std::vector<std::string>& uuids) {
    std::string command = absl::StrCat("storm ", uuids.size());
    for (const std::string& uuid : uuids) {
      ASSIGN_OR_RETURN(const std::string xml, agent_.RenderXml(agent_.Guest(uuid, v1::STOPPED)));
      absl::StrAppend(&command, "\n", uuid, " ", xml);
    }
    return SumMs(command);
  }

  absl::Status RemoveStorm(const std::vector<std::string>& uuids, bool agents) {
    if (agents) {
      return AtOnce(uuids, [&](const std::string& uuid) { return agent_.Delete(uuid); });
    }
    for (const std::string& uuid : uuids) {
      RETURN_IF_ERROR(baseline_.Do("remove " + uuid).status());
    }
    return absl::OkStatus();
  }

  static absl::Status AtOnce(const std::vector<std::string>& uuids,
                             const std::function<absl::Status(const std::string&)>& call) {
    std::vector<std::future<absl::Status>> calls;
    for (const std::string& uuid : uuids) {
      calls.push_back(std::async(std::launch::async, call, uuid));
    }
    absl::Status status;
    for (auto& one : calls) status.Update(one.get());
    return status;
  }

  struct IdleCost {
    double cpu_percent;
    double rss_anon_mib;
  };
  // Of the agent with ten guests that it has just booted, `settle_time` later.
  absl::StatusOr<IdleCost> MeasureIdle(absl::Duration settle_time) {
    std::vector<std::string> uuids(kIdleGuests);
    for (std::string& uuid : uuids) {
      uuid = Uuid::Random().ToString();
      RETURN_IF_ERROR(agent_.Apply(agent_.Guest(uuid, v1::RUNNING)));
    }
    std::fprintf(stderr, "idle with %zu guests\n", uuids.size());
    std::this_thread::sleep_for(absl::ToChronoSeconds(settle_time));
    ASSIGN_OR_RETURN(const absl::Duration before, agent_probe_.CpuTime());
    std::this_thread::sleep_for(absl::ToChronoSeconds(kIdleTime));
    ASSIGN_OR_RETURN(const absl::Duration after, agent_probe_.CpuTime());
    ASSIGN_OR_RETURN(const double rss, agent_probe_.RssAnonMib());
    for (const std::string& uuid : uuids) RETURN_IF_ERROR(agent_.Delete(uuid));
    return IdleCost{100 * absl::FDivDuration(after - before, kIdleTime), rss};
  }

  absl::Status Idle() {
    ASSIGN_OR_RETURN(const IdleCost cost, MeasureIdle(kGuestsSettle));
    report_.Add({"idle with ten guests: % of a core", cost.cpu_percent, 0, "%", cost.cpu_percent,
                 Bound::kAtMost, 0.5, 1});
    report_.Add({"idle with ten guests: RssAnon", cost.rss_anon_mib, 0, "MiB", cost.rss_anon_mib,
                 Bound::kAtMost, 24, 1});
    return absl::OkStatus();
  }

  // What a life of work leaves in the agent's memory.
  absl::Status IdleAfterAll() {
    ASSIGN_OR_RETURN(const IdleCost cost, MeasureIdle(kAgentSettles));
    report_.Note(absl::StrFormat(
        "idle with ten guests after all of these boots: %.2f %% of a core, RssAnon %.1f MiB",
        cost.cpu_percent, cost.rss_anon_mib));
    return absl::OkStatus();
  }

  const Flags flags_;
  AgentUnderTest& agent_;
  BaselineProcess& baseline_;
  const ProcessProbe agent_probe_;
  const ProcessProbe baseline_probe_;
  Report report_;
};

// Returns whether every bound is kept.
absl::StatusOr<bool> RunBench(const Flags& flags) {
  ASSIGN_OR_RETURN(const auto agent, AgentUnderTest::Connect({.image = flags.image}));
  ASSIGN_OR_RETURN(const auto baseline,
                   BaselineProcess::Start({flags.baseline, kCephConf, kKeyring, kEntity,
                                           flags.image, std::to_string(kGiB)}));
  Bench bench(flags, *agent, *baseline);
  RETURN_IF_ERROR(bench.Run());
  std::printf("%s", bench.report().Table().c_str());
  RETURN_IF_ERROR(bench.report().WriteJson(flags.output));
  return bench.report().Passed();
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Measures the agent of this node; exits 4 when a bound is missed");
  app.add_option("--image", flags.image, "The image to boot from: it must do nothing")->required();
  app.add_option("--baseline", flags.baseline, "The program of baseline.c")->required();
  app.add_option("--output", flags.output, "Where the results go, as JSON")->required();
  app.add_option("--pairs", flags.pairs, "How many pairs of each")->capture_default_str();
  app.add_option("--only", flags.only, "One part, to look into it")
      ->check(CLI::IsMember({"idle", "storage", "rbd", "boot", "storm"}));
  CLI11_PARSE(app, argc, argv);
  const absl::StatusOr<bool> passed = RunBench(flags);
  if (!passed.ok()) {
    std::fprintf(stderr, "\nbench: %s\n", std::string(passed.status().message()).c_str());
    return 1;
  }
  return *passed ? 0 : 4;
}

}  // namespace
}  // namespace hvagent::bench

int main(int argc, char** argv) { return hvagent::bench::Main(argc, argv); }
