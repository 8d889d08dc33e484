#include <memory>
#include <string>

#include "agentctl/apply.h"
#include "agentctl/command.h"

namespace hvagent::agentctl {

void AddApplyCommand(CommandTree& tree) {
  Cli& cli = tree.cli;
  const auto file = std::make_shared<std::string>();
  AddCommand(tree, tree.root,
             {"apply", "Push a manifest to the nodes it names, and wait until it is true",
              "apply -f vm.yaml", /*has_dry_run=*/true},
             [&cli, file] { return Apply(cli, *file, /*vms_only=*/false); })
      ->add_option("-f,--file", *file, "The manifest; - is standard input")
      ->type_name("FILE")
      ->required();
}

}  // namespace hvagent::agentctl
