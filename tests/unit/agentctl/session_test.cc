#include "agentctl/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::HasSubstr;

std::optional<std::string> Find(const std::string& flag,
                                const std::map<std::string, std::string>& environment,
                                const std::set<std::string>& files) {
  return FindConfig(
      flag,
      [&](const std::string& name) {
        const auto found = environment.find(name);
        return found == environment.end() ? "" : found->second;
      },
      [&](const std::string& path) { return files.contains(path); });
}

const char kHomeConfig[] = "/home/op/.config/agentctl/config.yaml";

TEST(FindConfigTest, FlagThenVariableThenHomeThenSystem) {
  const std::map<std::string, std::string> both = {{"AGENTCTL_CONFIG", "/env"},
                                                   {"HOME", "/home/op"}};
  const std::map<std::string, std::string> home = {{"HOME", "/home/op"}};
  const std::set<std::string> files = {kHomeConfig, kSystemConfig};
  EXPECT_EQ(Find("/flag", both, files), "/flag");
  EXPECT_EQ(Find("", both, files), "/env");
  EXPECT_EQ(Find("", home, files), kHomeConfig);
  EXPECT_EQ(Find("", home, {kSystemConfig}), kSystemConfig);
  EXPECT_EQ(Find("", {}, files), kSystemConfig);
  EXPECT_EQ(Find("", home, {}), std::nullopt);
}

TEST(FindConfigTest, NamedFileIsTakenEvenWhenItDoesNotExist) {
  EXPECT_EQ(Find("/missing", {}, {}), "/missing");
  EXPECT_EQ(Find("", {{"AGENTCTL_CONFIG", "/missing"}}, {}), "/missing");
}

TEST(SessionTest, WithoutConfigurationTheLocalSocketIsTheOnlyNode) {
  const Session session(std::nullopt);
  ASSERT_EQ(session.nodes().size(), 1u);
  EXPECT_EQ(session.nodes().front()->address(), kLocalSocket);
  EXPECT_TRUE(session.is_local());
}

TEST(LoadConfigTest, FilesAreRelativeToTheConfigurationsFolder) {
  const TempDir dir;
  const auto config = LoadConfig(dir.Write(
      "c.yaml",
      "nodes: [{name: a, address: \"h:1\"}]\ntls: {certificate_file: op.crt, ca_file: /ca.crt}\n"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->tls().certificate_file(), dir.path() + "/op.crt");
  EXPECT_EQ(config->tls().private_key_file(), "");
  EXPECT_EQ(config->tls().ca_file(), "/ca.crt");
}

struct BadConfig {
  const char* text;
  const char* field;
};

TEST(LoadConfigTest, FaultsNameTheFileAndTheField) {
  const BadConfig cases[] = {
      {"{}", "nodes"},
      {"nodes: [{address: \"h:1\"}]", "nodes[0].name"},
      {"nodes: [{name: a}]", "nodes[0].address"},
      {"nodes: [{name: a, address: \"h:1\"}, {name: a, address: \"h:2\"}]", "nodes[1].name"},
  };
  for (const BadConfig& bad : cases) {
    const TempDir dir;
    const std::string path = dir.Write("c.yaml", bad.text);
    const absl::Status status = LoadConfig(path).status();
    EXPECT_EQ(ErrorField(status), bad.field) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
}

TEST(LoadConfigTest, MissingFileIsNamed) {
  EXPECT_THAT(std::string(LoadConfig("/nowhere/c.yaml").status().message()),
              HasSubstr("/nowhere/c.yaml"));
}

v1::ClientConfig ThreeNodes() {
  v1::ClientConfig config;
  for (const char* name : {"a", "b", "c"}) {
    v1::ClientConfig::Node* const node = config.add_nodes();
    node->set_name(name);
    node->set_address("unix:/nowhere");
  }
  return config;
}

TEST(SessionTest, SelectsEachNamedNodeOnceAndAllWithoutNames) {
  const Session session(ThreeNodes());
  EXPECT_EQ(session.Select({})->size(), 3u);
  const auto selected = session.Select({"c", "a", "c"});
  ASSERT_TRUE(selected.ok());
  ASSERT_EQ(selected->size(), 2u);
  EXPECT_EQ(selected->front()->name(), "c");
}

TEST(SessionTest, UnknownNodeSaysWhichThereAre) {
  const Session session(ThreeNodes());
  const absl::Status status = session.Select({"d"}).status();
  EXPECT_EQ(ErrorReason(status), "NODE_UNKNOWN");
  EXPECT_THAT(std::string(status.message()), HasSubstr("a, b, c"));
}

}  // namespace
}  // namespace hvagent::agentctl
