#include <memory>

#include "absl/strings/str_cat.h"
#include "agentctl/command.h"

namespace hvagent::agentctl {

void AddVersionCommand(CommandTree& tree) {
  Cli& cli = tree.cli;
  AddCommand(tree, tree.root, {"version", "Print agentctl's version", "version"}, [&cli] {
    std::ostream& out = cli.streams().out;
    switch (cli.options.format) {
      case Format::kJson:
        out << "{\"version\": \"" << HVAGENT_VERSION << "\"}\n";
        break;
      case Format::kYaml:
        out << "version: \"" << HVAGENT_VERSION << "\"\n";
        break;
      default:
        out << "agentctl " << HVAGENT_VERSION << "\n";
    }
    return ExitCode::kDone;
  });
}

}  // namespace hvagent::agentctl
