#include "agentctl/run.h"

#include <CLI/CLI.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agentctl/command.h"
#include "agentctl/errors.h"

namespace hvagent::agentctl {
namespace {

// The command that was being parsed when it went wrong: the last one that was seen.
const CLI::App& Deepest(const CLI::App& app) {
  const auto seen = app.get_subcommands();
  return seen.empty() ? app : Deepest(*seen.back());
}

ExitCode UsageError(const CLI::App& root, const CLI::ParseError& error, std::ostream& err) {
  const CLI::App& command = Deepest(root);
  std::string name = command.get_name();
  for (const CLI::App* up = command.get_parent(); up != nullptr; up = up->get_parent()) {
    name = absl::StrCat(up->get_name(), " ", name);
  }
  // A mistyped command leaves its noun without a verb; the word itself is what a person looks for.
  const std::vector<std::string> unknown = root.remaining(/*recurse=*/true);
  const std::string problem =
      unknown.empty() ? error.what() : absl::StrCat("'", unknown.front(), "' is not known here");
  err << OneLine(absl::StrCat("agentctl: ", problem, " (see `", name, " --help`)")) << "\n";
  return ExitCode::kUsage;
}

}  // namespace

ExitCode Run(const std::vector<std::string>& arguments, const Streams& streams) {
  Cli cli(streams);
  CLI::App root("", "agentctl");
  CommandTree tree{root, nullptr, cli, nullptr, false};
  // CLI11 reports by exceptions; they end here.
  try {
    BuildCommandTree(tree);
    // It wants them last first.
    root.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    root.exit(help, streams.out, streams.err);
    return ExitCode::kDone;
  } catch (const CLI::ParseError& error) {
    return UsageError(root, error, streams.err);
  }
  if (cli.options.dry_run && !tree.chosen_has_dry_run) {
    streams.err << "agentctl: this command has no --dry-run\n";
    return ExitCode::kUsage;
  }
  return tree.chosen();
}

}  // namespace hvagent::agentctl
