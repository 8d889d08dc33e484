#include <memory>

#include "agentctl/command.h"
#include "base/version.h"

namespace hvagent::agentctl {

void AddVersionCommand(CommandTree& tree) {
  Cli& cli = tree.cli;
  AddCommand(tree, tree.root, {"version", "Print agentctl's version", "version"}, [&cli] {
    std::ostream& out = cli.streams().out;
    switch (cli.options.format) {
      case Format::kJson:
        out << "{\"version\": \"" << kVersion << "\"}\n";
        break;
      case Format::kYaml:
        out << "version: \"" << kVersion << "\"\n";
        break;
      default:
        out << "agentctl " << kVersion << "\n";
    }
    return ExitCode::kDone;
  });
}

}  // namespace hvagent::agentctl
