#include "agentctl/completion.h"

#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "agentctl/command.h"

namespace hvagent::agentctl {
namespace {

std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

void AddOptions(const CLI::App& app, std::vector<CompletionWord>& words) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : NamesOf(*option)) {
      words.push_back({name, option->get_description()});
    }
  }
}

// Options of which one may be given are a subcommand to CLI11, without a name.
bool IsGroup(const CLI::App& app) { return app.get_name().empty(); }

void AddLevels(const CLI::App& root, const CLI::App& app, const std::string& path,
               std::vector<CompletionLevel>& levels) {
  CompletionLevel level{path, {}};
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* command : commands) {
    if (IsGroup(*command)) {
      AddOptions(*command, level.words);
      continue;
    }
    level.words.push_back({command->get_name(), command->get_description()});
  }
  AddOptions(app, level.words);
  if (&app != &root) AddOptions(root, level.words);
  levels.push_back(std::move(level));
  for (const CLI::App* command : commands) {
    if (IsGroup(*command)) continue;
    AddLevels(root, *command, path.empty() ? command->get_name() : path + " " + command->get_name(),
              levels);
  }
}

void CollectTakingValue(const CLI::App& app, std::set<std::string>& names) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_expected_max() == 0) continue;
    for (std::string& name : NamesOf(*option)) names.insert(std::move(name));
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    CollectTakingValue(*command, names);
  }
}

// "--config|--node|-o", the options whose next word is their value.
std::string TakingValue(const CLI::App& root, const std::string& separator) {
  std::set<std::string> names;
  CollectTakingValue(root, names);
  return absl::StrJoin(names, separator);
}

// In single quotes, for sh, zsh and fish.
std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string PathPattern(const std::vector<CompletionLevel>& levels) {
  return absl::StrJoin(levels, "|", [](std::string* out, const CompletionLevel& level) {
    absl::StrAppend(out, Quoted(level.path));
  });
}

constexpr char kFormats[] = "table wide json yaml name";
constexpr char kShells[] = "bash zsh fish";

ExitCode PrintCompletion(const CommandTree& tree, const std::string& shell) {
  std::ostream& out = tree.cli.streams().out;
  if (shell == "bash") {
    out << BashCompletion(tree.root);
  } else if (shell == "zsh") {
    out << ZshCompletion(tree.root);
  } else {
    out << FishCompletion(tree.root);
  }
  out.flush();
  return ExitCode::kDone;
}

}  // namespace

std::vector<CompletionLevel> CompletionLevels(const CLI::App& root) {
  std::vector<CompletionLevel> levels;
  AddLevels(root, root, "", levels);
  return levels;
}

std::string BashCompletion(const CLI::App& root) {
  const auto levels = CompletionLevels(root);
  std::string cases;
  for (const CompletionLevel& level : levels) {
    absl::StrAppend(&cases, "    ", Quoted(level.path), ") next='",
                    absl::StrJoin(level.words, " ",
                                  [](std::string* out, const CompletionWord& word) {
                                    absl::StrAppend(out, word.word);
                                  }),
                    "' ;;\n");
  }
  return absl::StrCat(
      R"(# bash completion for agentctl; load it with: source <(agentctl completion bash)
_agentctl() {
  local current=${COMP_WORDS[COMP_CWORD]} where= is_value= next= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [ -n "$is_value" ]; then is_value=; continue; fi
    case ${COMP_WORDS[i]} in
    )",
      TakingValue(root, "|"), R"() is_value=${COMP_WORDS[i]} ;;
    esac
    case "${where:+$where }${COMP_WORDS[i]}" in
    )",
      PathPattern(levels), R"() where="${where:+$where }${COMP_WORDS[i]}" ;;
    esac
  done
  case "$is_value" in
    '') case "$where" in
)",
      cases, "    esac ;;\n    -o|--output) next='", kFormats,
      "' ;;\n  esac\n  [ \"$where\" = completion ] && next=\"", kShells,
      R"( $next"
  COMPREPLY=($(compgen -W "$next" -- "$current"))
}
complete -o default -F _agentctl agentctl
)");
}

std::string ZshCompletion(const CLI::App& root) {
  const auto levels = CompletionLevels(root);
  std::string cases;
  for (const CompletionLevel& level : levels) {
    absl::StrAppend(&cases, "    ", Quoted(level.path), ") next=(");
    for (const CompletionWord& word : level.words) {
      absl::StrAppend(
          &cases, " ",
          Quoted(absl::StrCat(word.word, ":", absl::StrReplaceAll(word.summary, {{":", "\\:"}}))));
    }
    absl::StrAppend(&cases, " ) ;;\n");
  }
  return absl::StrCat(R"(#compdef agentctl
# zsh completion for agentctl; load it with: source <(agentctl completion zsh)
_agentctl() {
  local where= is_value= word
  local -a next
  for word in "${(@)words[2,CURRENT-1]}"; do
    if [ -n "$is_value" ]; then is_value=; continue; fi
    case "$word" in
    )",
                      TakingValue(root, "|"), R"() is_value=$word ;;
    esac
    case "${where:+$where }$word" in
    )",
                      PathPattern(levels), R"() where="${where:+$where }$word" ;;
    esac
  done
  case "$is_value" in
    -o|--output) next=()",
                      kFormats, R"() ;;
    '') case "$where" in
)",
                      cases, "    esac ;;\n  esac\n  [ \"$where\" = completion ] && next=(",
                      kShells,
                      R"( $next)
  _describe agentctl next || _files
}
# Both ways of loading it: from a file in $fpath, and by source.
if [ "${funcstack[1]}" = _agentctl ]; then _agentctl "$@"; else compdef _agentctl agentctl; fi
)");
}

std::string FishCompletion(const CLI::App& root) {
  const auto levels = CompletionLevels(root);
  std::string known;
  std::string completions;
  for (const CompletionLevel& level : levels) {
    absl::StrAppend(&known, " ", Quoted(level.path));
    for (const CompletionWord& word : level.words) {
      absl::StrAppend(&completions, "complete -c agentctl -n '__agentctl_at \"", level.path,
                      "\"' -a ", Quoted(word.word), " -d ", Quoted(word.summary), "\n");
    }
  }
  return absl::StrCat(
      R"(# fish completion for agentctl; load it with: agentctl completion fish | source
function __agentctl_at
  set -l where ''
  set -l is_value ''
  for word in (commandline -opc)[2..-1]
    if test -n "$is_value"
      set is_value ''
      continue
    end
    if contains -- $word )",
      TakingValue(root, " "), R"(
      set is_value $word
    end
    set -l longer (string trim "$where $word")
    if contains -- "$longer")",
      known, R"(
      set where $longer
    end
  end
  test -z "$is_value" -a "$where" = "$argv[1]"
end
)",
      completions, "complete -c agentctl -n '__agentctl_at completion' -f -a '", kShells,
      "'\ncomplete -c agentctl -s o -l output -x -a '", kFormats, "'\n");
}

void AddCompletionCommand(CommandTree& tree) {
  const auto shell = std::make_shared<std::string>();
  AddCommand(tree, tree.root,
             {"completion", "Print a completion script for a shell",
              "completion bash > /etc/bash_completion.d/agentctl"},
             [&tree, shell] { return PrintCompletion(tree, *shell); })
      ->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

}  // namespace hvagent::agentctl
