#include "agentctl/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agentctl/command.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::HasSubstr;

class CompletionTest : public ::testing::Test {
 protected:
  CompletionTest() { BuildCommandTree(tree_); }

  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
  Cli cli_{{in_, out_, err_}};
  CLI::App root_{"", "agentctl"};
  CommandTree tree_{root_, nullptr, cli_, nullptr, false};
};

// The surface that scripts and people depend on.
const char* const kCommands[] = {"apply",
                                 "get",
                                 "get node",
                                 "get secret",
                                 "get image",
                                 "get volume",
                                 "get backup",
                                 "get vm",
                                 "get operation",
                                 "node",
                                 "node list",
                                 "node get",
                                 "node doctor",
                                 "secret",
                                 "secret sync",
                                 "secret list",
                                 "secret get",
                                 "secret status",
                                 "secret rotate",
                                 "secret retire",
                                 "image",
                                 "image import",
                                 "image list",
                                 "image get",
                                 "image delete",
                                 "volume",
                                 "volume create",
                                 "volume resize",
                                 "volume list",
                                 "volume get",
                                 "volume delete",
                                 "volume flatten",
                                 "volume snapshot",
                                 "volume snapshot create",
                                 "volume snapshot list",
                                 "volume snapshot delete",
                                 "backup",
                                 "backup create",
                                 "backup list",
                                 "backup get",
                                 "backup verify",
                                 "backup restore",
                                 "backup delete",
                                 "backup prune",
                                 "backup export",
                                 "backup import",
                                 "vm",
                                 "vm apply",
                                 "vm attach",
                                 "vm detach",
                                 "vm list",
                                 "vm get",
                                 "vm delete",
                                 "vm undelete",
                                 "vm start",
                                 "vm stop",
                                 "vm reboot",
                                 "vm pause",
                                 "vm resume",
                                 "vm restart",
                                 "vm snapshot",
                                 "vm render",
                                 "vm console",
                                 "vm logs",
                                 "operation",
                                 "operation list",
                                 "operation get",
                                 "operation watch",
                                 "operation cancel",
                                 "completion",
                                 "diff",
                                 "version"};

TEST_F(CompletionTest, GrammarHasExactlyTheFixedCommands) {
  std::set<std::string> paths;
  for (const CompletionLevel& level : CompletionLevels(root_)) paths.insert(level.path);
  std::set<std::string> expected(std::begin(kCommands), std::end(kCommands));
  expected.insert("");
  EXPECT_EQ(paths, expected);
}

TEST_F(CompletionTest, EveryScriptListsEveryCommandAndGlobalOption) {
  for (const std::string& script :
       {BashCompletion(root_), ZshCompletion(root_), FishCompletion(root_)}) {
    for (const char* command : kCommands) EXPECT_THAT(script, HasSubstr(command));
    for (const char* option :
         {"--config", "--node", "--all", "-o", "--output", "--timeout", "--yes", "--dry-run",
          "--offline", "--force", "--sha256", "--adopt", "--no-prove", "--restart"}) {
      EXPECT_THAT(script, HasSubstr(option));
    }
  }
}

TEST_F(CompletionTest, EveryCommandHasASummaryAndEveryVerbAnExample) {
  const std::function<void(const CLI::App&)> check = [&](const CLI::App& app) {
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
      if (command->get_name().empty()) continue;  // a group of options
      EXPECT_FALSE(command->get_description().empty()) << command->get_name();
      if (command->get_subcommands([](const CLI::App*) { return true; }).empty()) {
        EXPECT_THAT(command->get_footer(), HasSubstr("Example: agentctl ")) << command->get_name();
      }
      check(*command);
    }
  };
  check(root_);
}

// What bash offers after `line`; the last word is the one that is being typed.
std::string Offered(const std::string& script, const std::string& words) {
  const TempDir dir;
  const std::string test = absl::StrCat(
      script, "COMP_WORDS=(", words,
      ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_agentctl\nprintf '%s ' \"${COMPREPLY[@]}\"\n");
  const std::string path = dir.Write("test.bash", test);
  FILE* const pipe = ::popen(absl::StrCat("bash ", path).c_str(), "r");
  std::string text(4096, '\0');
  text.resize(fread(text.data(), 1, text.size(), pipe));
  EXPECT_EQ(::pclose(pipe), 0);
  return text;
}

TEST_F(CompletionTest, BashOffersWhatMayComeNext) {
  const std::string script = BashCompletion(root_);
  EXPECT_EQ(Offered(script, "agentctl vm st"), "start stop ");
  EXPECT_EQ(Offered(script, "agentctl --node compute-1 operation w"), "watch ");
  EXPECT_EQ(Offered(script, "agentctl vm list -o j"), "json ");
  EXPECT_EQ(Offered(script, "agentctl vm stop web-1 --for"), "--force ");
  EXPECT_EQ(Offered(script, "agentctl completion z"), "zsh ");
}

}  // namespace
}  // namespace hvagent::agentctl
