// Completion scripts for shells, made from the command line's own grammar, so that they list
// every command and option there is.
#ifndef HVAGENT_AGENTCTL_COMPLETION_H_
#define HVAGENT_AGENTCTL_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace hvagent::agentctl {

struct CompletionWord {
  std::string word;
  std::string summary;
};

// What may come next after the words of `path`: "" is the program alone, "vm start" a command.
struct CompletionLevel {
  std::string path;
  std::vector<CompletionWord> words;
};

// Every level of the grammar, the root first.
std::vector<CompletionLevel> CompletionLevels(const CLI::App& root);

std::string BashCompletion(const CLI::App& root);
std::string ZshCompletion(const CLI::App& root);
std::string FishCompletion(const CLI::App& root);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_COMPLETION_H_
