#include "agentctl/cli.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/fan_out.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "hvagent/v1/node_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

constexpr absl::Duration kDefaultTimeout = absl::Seconds(30);
// How many nodes are asked at once for one that is healthy; in a large fleet the first few do.
constexpr size_t kCandidates = 8;

std::string GetEnv(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

bool Exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

// OK when the node says that it is connected to Ceph.
absl::Status CheckHealthy(const v1::Node& node) {
  for (const v1::Condition& condition : node.conditions()) {
    if (condition.type() != "CEPH_CONNECTED") continue;
    if (condition.status() == v1::Condition::TRUE) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("not connected to Ceph: ", condition.message()));
  }
  return absl::UnavailableError("does not say whether it is connected to Ceph");
}

}  // namespace

absl::StatusOr<Session*> Cli::session() {
  MutexLock lock(mutex_);
  if (session_ == nullptr) {
    std::optional<v1::ClientConfig> config;
    if (const auto path = FindConfig(options.config, GetEnv, Exists)) {
      ASSIGN_OR_RETURN(config, LoadConfig(*path));
    }
    session_ = std::make_unique<Session>(config);
  }
  return session_.get();
}

absl::StatusOr<std::vector<Node*>> Cli::Targets() {
  ASSIGN_OR_RETURN(Session * session, this->session());
  return session->Select(options.nodes);
}

absl::StatusOr<Node*> Cli::HealthyNode() {
  ASSIGN_OR_RETURN(const std::vector<Node*> targets, Targets());
  if (targets.size() == 1) return targets.front();
  std::vector<std::string> problems;
  for (size_t begin = 0; begin < targets.size(); begin += kCandidates) {
    const size_t end = std::min(begin + kCandidates, targets.size());
    const std::vector<Node*> candidates(targets.begin() + static_cast<ptrdiff_t>(begin),
                                        targets.begin() + static_cast<ptrdiff_t>(end));
    CancelSet others;
    std::atomic<Node*> first{nullptr};
    CallOptions call = call_options();
    call.cancel = &others;
    call.explain = false;
    const auto answers = FanOut(candidates, [&](Node* node) -> absl::Status {
      auto answer = node->Read(call, &v1::NodeService::Stub::GetNode, v1::GetNodeRequest());
      RETURN_IF_ERROR(answer.status());
      RETURN_IF_ERROR(CheckHealthy(*answer));
      Node* none = nullptr;
      if (first.compare_exchange_strong(none, node)) others.CancelAll();
      return absl::OkStatus();
    });
    if (first != nullptr) return first.load();
    const auto explained = FanOut(candidates, [&](Node* node) {
      const size_t i = static_cast<size_t>(std::find(candidates.begin(), candidates.end(), node) -
                                           candidates.begin());
      return node->Explain(answers[i]);
    });
    for (size_t i = 0; i < candidates.size(); ++i) {
      problems.push_back(absl::StrCat(candidates[i]->name(), ": ", explained[i].message()));
    }
  }
  return Error(absl::StatusCode::kUnavailable, "NO_HEALTHY_NODE",
               absl::StrCat("no node can do it: ", absl::StrJoin(problems, "; ")));
}

CallOptions Cli::call_options() const {
  return {options.timeout.value_or(kDefaultTimeout), nullptr, true};
}

ChangeOptions Cli::change_options(Interrupts& interrupts) const {
  ChangeOptions change;
  change.timeout = options.timeout.value_or(kDefaultTimeout);
  change.interrupts = &interrupts;
  return change;
}

ChangeOptions Cli::wait_options(Interrupts& interrupts) const {
  ChangeOptions change = change_options(interrupts);
  change.timeout = options.timeout.value_or(absl::InfiniteDuration());
  change.waits = true;
  return change;
}

ExitCode Cli::Fail(const Failure& failure) {
  MutexLock lock(mutex_);
  streams_.err << FailureLine(failure) << "\n";
  if (options.format == Format::kJson) streams_.err << FailureJson(failure) << "\n";
  streams_.err.flush();
  return ExitCodeOf(failure.status);
}

ExitCode Cli::Written(const absl::Status& status) {
  if (!status.ok()) return Fail({"write the result", "", status});
  if (!streams_.out.flush()) {
    return Fail({"write the result", "", absl::DataLossError("standard output cannot be written")});
  }
  return ExitCode::kDone;
}

ExitCode Cli::Show(const Listing& listing) {
  return Written(WriteListing(streams_.out, style(), listing));
}

ExitCode Cli::ShowObject(const std::vector<Column>& columns, const Row& row) {
  return Written(WriteObject(streams_.out, style(), columns, row));
}

ExitCode Cli::ShowNext(const std::vector<Column>& columns, const Row& row) {
  const bool first = !std::exchange(shown_before_, true);
  return Written(WriteNext(streams_.out, style(), columns, row, first));
}

void Cli::Note(absl::string_view text) {
  if (!streams_.err_is_terminal) return;
  MutexLock lock(mutex_);
  streams_.err << OneLine(text) << "\n";
  streams_.err.flush();
}

void Cli::NoteTable(const Listing& listing) {
  if (!streams_.err_is_terminal) return;
  MutexLock lock(mutex_);
  // Only JSON can fail.
  (void)WriteListing(streams_.err, {Format::kTable, /*colour=*/true}, listing);
  streams_.err.flush();
}

bool Cli::AskYesNo(absl::string_view question) {
  if (!can_ask()) return false;
  streams_.err << OneLine(question) << " [y/N] ";
  streams_.err.flush();
  std::string answer;
  std::getline(streams_.in, answer);
  answer = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
  return answer == "y" || answer == "yes";
}

absl::Status Cli::Confirm(absl::string_view question) {
  if (options.yes) return absl::OkStatus();
  if (!can_ask()) {
    return WithExit(absl::FailedPreconditionError("needs --yes, as there is no terminal to ask on"),
                    ExitCode::kUsage);
  }
  if (AskYesNo(question)) return absl::OkStatus();
  return absl::CancelledError("not confirmed, nothing was done");
}

}  // namespace hvagent::agentctl
