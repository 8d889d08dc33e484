// What every command has at hand: the global options, the terminal, the session with the agents,
// and the ways to report.
#ifndef HVAGENT_AGENTCTL_CLI_H_
#define HVAGENT_AGENTCTL_CLI_H_

#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agentctl/errors.h"
#include "agentctl/exit_code.h"
#include "agentctl/interrupts.h"
#include "agentctl/node.h"
#include "agentctl/output.h"
#include "agentctl/session.h"
#include "base/mutex.h"

namespace hvagent::agentctl {

struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
};

struct GlobalOptions {
  std::string config;
  std::vector<std::string> nodes;
  bool all = false;
  Format format = Format::kTable;
  // Left out: 30 s for a call, and as long as it takes for what is awaited.
  std::optional<absl::Duration> timeout;
  bool yes = false;
  bool dry_run = false;
};

// Thread-safe after the options are parsed, but for AskYesNo, Confirm and what shows.
class Cli {
 public:
  explicit Cli(const Streams& streams) : streams_(streams) {}

  GlobalOptions options;

  const Streams& streams() const { return streams_; }

  // Reads the configuration when first asked.
  absl::StatusOr<Session*> session();

  // The nodes that --node names; without it, all.
  absl::StatusOr<std::vector<Node*>> Targets();

  // The one node for what may be done by any: the first of the targets to answer that it is
  // connected to Ceph.
  // Errors: UNAVAILABLE, with what each node said.
  absl::StatusOr<Node*> HealthyNode();

  CallOptions call_options() const;
  ChangeOptions change_options(Interrupts& interrupts) const;
  // For calls that answer when what was asked for came true.
  ChangeOptions wait_options(Interrupts& interrupts) const;

  // Writes `failure` to stderr (and with -o json as JSON too); returns its exit code.
  ExitCode Fail(const Failure& failure);

  // Writes a result to stdout; kFailed, reported, when that fails.
  ExitCode Show(const Listing& listing);
  ExitCode ShowObject(const std::vector<Column>& columns, const Row& row);

  // Writes one result of several that come over time.
  ExitCode ShowNext(const std::vector<Column>& columns, const Row& row);

  // A line about what is going on, on a terminal only.
  void Note(absl::string_view text);

  // A table about what is going to happen, on a terminal only.
  void NoteTable(const Listing& listing);

  // Whether the user says yes to `question` on the terminal; without one, no. --yes is no answer.
  bool AskYesNo(absl::string_view question);

  // OK when the user agrees to `question` on the terminal, or gave --yes.
  // Errors: CANCELLED; without a terminal FAILED_PRECONDITION, which exits with kUsage.
  absl::Status Confirm(absl::string_view question);

 private:
  Style style() const { return {options.format, streams_.out_is_terminal}; }
  bool can_ask() const { return streams_.in_is_terminal && streams_.err_is_terminal; }
  ExitCode Written(const absl::Status& status);

  const Streams streams_;
  bool shown_before_ = false;
  Mutex mutex_;
  std::unique_ptr<Session> session_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_CLI_H_
