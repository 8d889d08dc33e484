#include "agentctl/command.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace hvagent::agentctl {
namespace {

constexpr char kFooter[] = R"(
Exit status:
  0 done                            4 looked, and it is not as it should be
  1 failed                          5 in doubt: look before acting
  2 wrong usage                     6 timed out here; it goes on there
  3 some of the targets failed

Configuration: --config, $AGENTCTL_CONFIG, ~/.config/agentctl/config.yaml or
/etc/hypervisor-agent/agentctl.yaml; with none, the local unix socket is the only node.

Example: agentctl apply -f vm.yaml && agentctl get vm)";

void AddGlobalOptions(CLI::App& root, GlobalOptions& options) {
  root.add_option("--config", options.config, "Configuration file")->type_name("FILE");
  auto* const nodes =
      root.add_option("--node", options.nodes, "Talk to this node only; may be repeated")
          ->type_name("NAME")
          ->expected(1)
          ->take_all();
  root.add_flag("--all", options.all, "Talk to every node at once")->excludes(nodes);
  static const std::map<std::string, Format> kFormats = {{"table", Format::kTable},
                                                         {"wide", Format::kWide},
                                                         {"json", Format::kJson},
                                                         {"yaml", Format::kYaml},
                                                         {"name", Format::kName}};
  root.add_option_function<std::string>(
          "-o,--output",
          [&options](const std::string& text) { options.format = kFormats.at(text); },
          "How results are written: table, wide, json, yaml or name")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}))
      ->type_name("FORMAT");
  root.add_option("--timeout", "Bound of one call (30s), and of what is awaited (none)")
      ->type_name("DURATION")
      ->check(DurationInto(options.timeout));
  root.add_flag("--yes", options.yes, "Do not ask before something is destroyed");
  root.add_flag("--dry-run", options.dry_run, "Only say what would be done");
}

}  // namespace

CLI::Validator DurationInto(std::optional<absl::Duration>& duration) {
  const auto parse = [&duration](const std::string& text) -> std::string {
    absl::Duration parsed;
    if (!absl::ParseDuration(text, &parsed) || parsed <= absl::ZeroDuration()) {
      return absl::StrCat("'", text, "' is no duration: write 30s, 5m or 1h30m");
    }
    duration = parsed;
    return "";
  };
  return CLI::Validator(parse, "");
}

CLI::App* AddCommand(CommandTree& tree, CLI::App& parent, const CommandText& text,
                     std::function<ExitCode()> run) {
  CLI::App* const command = parent.add_subcommand(text.name, text.summary);
  command->footer(absl::StrCat(text.details.empty() ? "" : "\n", text.details,
                               "\nExample: agentctl ", text.example));
  command->callback([&tree, run = std::move(run), has_dry_run = text.has_dry_run] {
    tree.chosen = run;
    tree.chosen_has_dry_run = has_dry_run;
  });
  return command;
}

CLI::App* AddNoun(CLI::App& parent, const std::string& name, const std::string& summary) {
  CLI::App* const noun = parent.add_subcommand(name, summary);
  noun->require_subcommand(1);
  return noun;
}

void BuildCommandTree(CommandTree& tree) {
  tree.root.description("agentctl: the command line of hypervisor agents");
  tree.root.footer(kFooter);
  tree.root.require_subcommand(1);
  // Global options may come after the command too.
  tree.root.fallthrough();
  AddGlobalOptions(tree.root, tree.cli.options);

  AddApplyCommand(tree);
  AddDiffCommand(tree);
  tree.get = AddNoun(tree.root, "get", "List resources, or show one");
  AddNodeCommands(tree);
  AddSecretCommands(tree);
  AddImageCommands(tree);
  AddVolumeCommands(tree);
  AddBackupCommands(tree);
  AddVmCommands(tree);
  AddOperationCommands(tree);
  AddCompletionCommand(tree);
  AddVersionCommand(tree);
}

}  // namespace hvagent::agentctl
