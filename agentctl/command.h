// How a group of commands joins agentctl: one file for each group, each with one function here.
#ifndef HVAGENT_AGENTCTL_COMMAND_H_
#define HVAGENT_AGENTCTL_COMMAND_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "agentctl/cli.h"
#include "agentctl/exit_code.h"

namespace hvagent::agentctl {

// The command line's grammar while it is built, and what was chosen once it is parsed.
struct CommandTree {
  CLI::App& root;
  // `agentctl get`, whose subcommands repeat each noun's list and get.
  CLI::App* get = nullptr;
  Cli& cli;
  std::function<ExitCode()> chosen;
  bool chosen_has_dry_run = false;
};

struct CommandText {
  std::string name;
  // One line, a verb first, without a full stop.
  std::string summary;
  // A command line that works, without "agentctl ".
  std::string example;
  // Whether it honours --dry-run; where it does not, --dry-run is refused.
  bool has_dry_run = false;
  // What its --help says besides, where the summary is not enough.
  std::string details = "";
};

// A command under `parent`, which is carried out by `run` after everything is parsed.
CLI::App* AddCommand(CommandTree& tree, CLI::App& parent, const CommandText& text,
                     std::function<ExitCode()> run);

// A noun, which does nothing without one of its verbs.
CLI::App* AddNoun(CLI::App& parent, const std::string& name, const std::string& summary);

// An option's check that reads "30s", "5m" or "1h30m" into `duration`, which outlives the parse.
CLI::Validator DurationInto(std::optional<absl::Duration>& duration);

void AddApplyCommand(CommandTree& tree);
void AddDiffCommand(CommandTree& tree);
void AddNodeCommands(CommandTree& tree);
// `doctor`, under `node`.
void AddStorageDoctor(CommandTree& tree, CLI::App& node);
void AddSecretCommands(CommandTree& tree);
void AddImageCommands(CommandTree& tree);
void AddVolumeCommands(CommandTree& tree);
void AddBackupCommands(CommandTree& tree);
void AddVmCommands(CommandTree& tree);
// `attach` and `detach`, under `vm`.
void AddVmVolumeCommands(CommandTree& tree, CLI::App& vm);
// `console` and `logs`, under `vm`.
void AddVmConsoleCommands(CommandTree& tree, CLI::App& vm);
void AddOperationCommands(CommandTree& tree);
void AddCompletionCommand(CommandTree& tree);
void AddVersionCommand(CommandTree& tree);

// All of them, and the global options.
void BuildCommandTree(CommandTree& tree);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_COMMAND_H_
