// bench_fleet: how long one secret takes to get to many agents, against as many calls that do
// nothing, made the same way: both over new connections, by the code of agentctl. The agents are
// processes of their own on the memory backends; this starts them and ends them.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agentctl/fan_out.h"
#include "agentctl/node.h"
#include "base/status_macros.h"
#include "hvagent/v1/operation_service.grpc.pb.h"
#include "hvagent/v1/secret_service.grpc.pb.h"
#include "tests/bench/report.h"

extern char** environ;

namespace hvagent::bench {
namespace {

// A process of its own, ended with this object.
class Agent {
 public:
  Agent(const std::string& program, const std::string& folder, size_t index)
      : socket_(absl::StrCat(folder, "/", index, ".sock")) {
    const std::string state = absl::StrCat(folder, "/", index);
    const std::string log = absl::StrCat(folder, "/", index, ".log");
    const std::string node = absl::StrCat("compute-", index);
    const char* argv[] = {program.c_str(), "--backend",   "memory",      "--config",
                          "/dev/null",     "--node-name", node.c_str(),  "--unix-socket",
                          socket_.c_str(), "--state-dir", state.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (posix_spawn(&pid_, program.c_str(), &actions, nullptr, const_cast<char**>(argv), environ) !=
        0) {
      pid_ = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Agent() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  std::string address() const { return "unix:" + socket_; }

 private:
  const std::string socket_;
  pid_t pid_ = -1;
};

class Fleet {
 public:
  Fleet(const std::string& program, std::string folder, size_t size) : folder_(std::move(folder)) {
    for (size_t i = 0; i < size; ++i) {
      agents_.push_back(std::make_unique<Agent>(program, folder_, i));
    }
  }

  // `call` to every agent over a new connection; the milliseconds that all took together.
  using Call = std::function<absl::Status(agentctl::Node&)>;
  absl::StatusOr<double> TimeCalls(const Call& call) {
    const auto no_tls = std::make_shared<const absl::StatusOr<agentctl::TlsIdentity>>(
        absl::FailedPreconditionError("no certificate is needed here"));
    std::vector<std::unique_ptr<agentctl::Node>> nodes;
    std::vector<agentctl::Node*> targets;
    for (size_t i = 0; i < agents_.size(); ++i) {
      nodes.push_back(std::make_unique<agentctl::Node>(absl::StrCat("compute-", i),
                                                       agents_[i]->address(), no_tls));
      targets.push_back(nodes.back().get());
    }
    const auto start = std::chrono::steady_clock::now();
    const std::vector<absl::Status> results =
        agentctl::FanOut(targets, [&](agentctl::Node* node) { return call(*node); });
    const auto end = std::chrono::steady_clock::now();
    for (const absl::Status& status : results) RETURN_IF_ERROR(status);
    return std::chrono::duration<double, std::milli>(end - start).count();
  }

  // Until every agent answers.
  absl::Status Await() {
    return TimeCalls([](agentctl::Node& node) {
             absl::Status status;
             for (int tries = 0; tries < 600; ++tries) {
               status = node.CheckReachable({});
               if (status.ok()) return status;
               usleep(100'000);
             }
             return status;
           })
        .status();
  }

 private:
  const std::string folder_;
  std::vector<std::unique_ptr<Agent>> agents_;
};

// A list of nothing, asked for as a change is.
absl::Status CallNothing(agentctl::Node& node) {
  return node.Change({}, &v1::OperationService::Stub::List, v1::ListOperationsRequest()).status();
}

std::string Key() {
  const std::string header("\x01\0\x5d\x5c\x5b\x5a\x07\0\0\0\x10\0", 12);
  return absl::Base64Escape(absl::StrCat(header, std::string(16, 'k')));
}

// Syncs `entity`; an error when an agent had to do something and `in_sync` says that none has.
Fleet::Call SyncTo(const std::string& entity, bool in_sync) {
  return [entity, in_sync](agentctl::Node& node) -> absl::Status {
    v1::SyncSecretRequest request;
    request.set_entity(entity);
    request.set_key(Key());
    ASSIGN_OR_RETURN(const v1::SyncSecretResponse response,
                     node.Change({}, &v1::SecretService::Stub::Sync, request));
    if (response.actions().empty() == in_sync) return absl::OkStatus();
    return absl::InternalError(absl::StrCat(node.name(), " did not do what was expected"));
  };
}

absl::Status Measure(Fleet& fleet, size_t agents, size_t pairs, Report& report) {
  std::vector<double> nothing, sync, again;
  for (size_t i = 0; i < pairs; ++i) {
    const std::string entity = absl::StrCat("client.bench", i);
    // Each first every other time.
    if (i % 2 == 0) {
      ASSIGN_OR_RETURN(nothing.emplace_back(), fleet.TimeCalls(CallNothing));
    }
    ASSIGN_OR_RETURN(sync.emplace_back(), fleet.TimeCalls(SyncTo(entity, /*in_sync=*/false)));
    if (i % 2 != 0) {
      ASSIGN_OR_RETURN(nothing.emplace_back(), fleet.TimeCalls(CallNothing));
    }
    ASSIGN_OR_RETURN(again.emplace_back(), fleet.TimeCalls(SyncTo(entity, /*in_sync=*/true)));
    std::fprintf(stderr, "\rsecret sync: pair %zu of %zu   ", i + 1, pairs);
  }
  std::fprintf(stderr, "\n");
  const double baseline = Median(nothing);
  report.Add({absl::StrCat("secret sync to ", agents, " agents, against empty calls"), Median(sync),
              baseline, "ms", Median(sync) / baseline, Report::Bound::kAtMost, 2, pairs});
  report.Note(
      absl::StrFormat("the same sync again, which writes nothing to libvirt: %.0f ms, %.2f "
                      "of the empty calls",
                      Median(again), Median(again) / baseline));
  return absl::OkStatus();
}

absl::Status Run(const std::string& agentd, size_t agents, size_t pairs,
                 const std::string& output) {
  std::string folder = "/tmp/hvagent-bench.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return absl::InternalError("no folder in /tmp");
  const absl::Cleanup remove = [&] { std::filesystem::remove_all(folder); };
  Report report;
  {
    Fleet fleet(agentd, folder, agents);
    RETURN_IF_ERROR(fleet.Await());
    RETURN_IF_ERROR(fleet.TimeCalls(CallNothing).status());  // warms both sides
    RETURN_IF_ERROR(Measure(fleet, agents, pairs, report));
  }
  std::fputs(report.Table().c_str(), stdout);
  RETURN_IF_ERROR(report.WriteJson(output));
  return report.Passed() ? absl::OkStatus() : absl::FailedPreconditionError("a bound is missed");
}

int Main(int argc, char** argv) {
  std::string agentd;
  std::string output;
  size_t agents = 200;
  size_t pairs = 31;
  CLI::App app("bench_fleet: one secret to many agents");
  app.add_option("--agentd", agentd, "The agent's program")->required();
  app.add_option("--output", output, "Where the results go, as JSON")->required();
  app.add_option("--agents", agents, "How many")->check(CLI::Range(1, 1000));
  app.add_option("--pairs", pairs, "Interleaved pairs")->check(CLI::Range(1, 1000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = Run(agentd, agents, pairs, output);
  if (status.ok()) return 0;
  std::fprintf(stderr, "bench_fleet: %s\n", std::string(status.message()).c_str());
  return absl::IsFailedPrecondition(status) ? 4 : 1;
}

}  // namespace
}  // namespace hvagent::bench

int main(int argc, char** argv) { return hvagent::bench::Main(argc, argv); }
