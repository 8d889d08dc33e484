#include <memory>
#include <string>

#include "agentctl/apply.h"
#include "agentctl/command.h"

namespace hvagent::agentctl {

void AddApplyCommand(CommandTree& tree) {
  Cli& cli = tree.cli;
  const auto file = std::make_shared<std::string>();
  const auto options = std::make_shared<ApplyOptions>();
  CLI::App* const apply =
      AddCommand(tree, tree.root,
                 {"apply", "Push a manifest to the nodes it names, and wait until it is true",
                  "apply -f vm.yaml", /*has_dry_run=*/true},
                 [&cli, file, options] { return Apply(cli, *file, *options); });
  apply->add_option("-f,--file", *file, "The manifest; - is standard input")
      ->type_name("FILE")
      ->required();
  apply->add_flag("--prune", options->prune,
                  "Delete the VMs of these nodes (--node, else all) that the manifest leaves out");
}

void AddDiffCommand(CommandTree& tree) {
  Cli& cli = tree.cli;
  const auto file = std::make_shared<std::string>();
  const auto options = std::make_shared<ApplyOptions>();
  options->diff = true;
  CLI::App* const diff = AddCommand(
      tree, tree.root,
      {"diff", "Say what apply would change, and what that means to the guests; exit 4 if anything",
       "diff -f vm.yaml"},
      [&cli, file, options] { return Apply(cli, *file, *options); });
  diff->add_option("-f,--file", *file, "The manifest; - is standard input")
      ->type_name("FILE")
      ->required();
  diff->add_flag("--prune", options->prune, "As `apply --prune` would");
}

}  // namespace hvagent::agentctl
