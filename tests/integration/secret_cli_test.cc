// agentctl's secret commands as an operator runs them, against two whole agents that share one
// simulated cluster.
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agentctl/cli.h"
#include "agentctl/interrupts.h"
#include "agentctl/run.h"
#include "agentctl/secret_sync.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::agentctl::ExitCode;
using ::hvagent::testing::kTestKey;
using ::hvagent::testing::MemoryAgent;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kFsid[] = "00000000-0000-4000-8000-000000000001";
constexpr char kUsage[] = "client.cinder@00000000-0000-4000-8000-000000000001";
constexpr char kUuidA[] = "aaaaaaaa-0414-4b58-9924-af681091be09";
constexpr char kUuidB[] = "bbbbbbbb-0414-4b58-9924-af681091be09";

v1::AgentConfig Named(const std::string& node) {
  v1::AgentConfig config;
  config.set_node_name(node);
  return config;
}

struct CommandResult {
  ExitCode exit = ExitCode::kDone;
  std::string out;
  std::string err;
};

class SecretCliTest : public ::testing::Test {
 protected:
  SecretCliTest() {
    config_ =
        WriteFile("agentctl.yaml",
                  absl::StrCat("nodes:\n- {name: compute-1, address: \"", one_.address(),
                               "\"}\n- {name: compute-2, address: \"", two_.address(), "\"}\n"));
    for (const char* entity : {"client.cinder", "client.vm.g2"}) {
      cluster_->SetKey(entity, *secrets::ParseCephKey(kTestKey));
    }
  }

  static std::string WriteFile(const std::string& name, const std::string& text) {
    const std::string path = absl::StrCat(::testing::TempDir(), "/", getpid(), ".", name);
    std::ofstream(path) << text;
    return path;
  }

  CommandResult Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--config", config_});
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    CommandResult result;
    result.exit = agentctl::Run(arguments, {in, out, err});
    result.out = out.str();
    result.err = err.str();
    return result;
  }
  void Expect(ExitCode exit, const CommandResult& result) const {
    EXPECT_EQ(result.exit, exit) << result.out << result.err;
    EXPECT_THAT(result.out + result.err, Not(HasSubstr("AQBf")));
  }

  // web1 runs on compute-1.
  void StartGuest() const {
    const std::string disk = WriteFile("disk.raw", std::string(1 << 20, '\0'));
    const std::string manifest = WriteFile(
        "vm.yaml",
        "vms:\n- {uuid: 65bd684f-0414-4b58-9924-af681091be01, name: web1, node: compute-1, "
        "vcpus: 1, memory_mib: 64, root_disk: {image: jammy, size_gib: 1}}\n");
    Expect(ExitCode::kDone, Run({"secret", "sync", "--from", "mon"}));
    Expect(ExitCode::kDone, Run({"image", "import", disk, "--id", "jammy", "--node", "compute-1"}));
    Expect(ExitCode::kDone, Run({"apply", "-f", manifest}));
  }

  std::shared_ptr<block::MemoryCluster> cluster_ = std::make_shared<block::MemoryCluster>(kFsid);
  MemoryAgent one_{Named("compute-1"), cluster_};
  MemoryAgent two_{Named("compute-2"), cluster_};
  std::string config_;
};

TEST_F(SecretCliTest, NodeThatWasLeftOutIsFoundAndBroughtIn) {
  Expect(ExitCode::kDone, Run({"secret", "sync", "--from", "mon", "--node", "compute-1"}));
  const CommandResult missing = Run({"secret", "status"});
  Expect(ExitCode::kNotAsItShouldBe, missing);
  EXPECT_THAT(missing.out, HasSubstr("SECRET_MISSING"));
  Expect(ExitCode::kDone, Run({"secret", "sync", "--from", "mon"}));
  Expect(ExitCode::kDone, Run({"secret", "status"}));
}

// The failure that the guide ends with.
TEST_F(SecretCliTest, SecretMadeByHandUnderAnotherUuidIsNamedThenAdopted) {
  ASSERT_OK(two_.secrets().Define({.uuid = *Uuid::Parse(kUuidA), .usage = kUsage}));
  Expect(ExitCode::kDone, Run({"secret", "sync", "--from", "mon", "--node", "compute-1"}));
  const CommandResult status = Run({"secret", "status"});
  Expect(ExitCode::kNotAsItShouldBe, status);
  EXPECT_THAT(status.out, AllOf(HasSubstr("SECRET_UUID_DIFFERS"), HasSubstr(kUuidA)));

  const CommandResult refused = Run({"secret", "sync", "--from", "mon"});
  Expect(ExitCode::kSomeFailed, refused);
  EXPECT_THAT(refused.err, AllOf(HasSubstr(kUuidA), HasSubstr("--adopt")));
  const CommandResult chosen = Run({"secret", "sync", "--from", "mon", "--uuid", kUuidB});
  Expect(ExitCode::kFailed, chosen);
  EXPECT_THAT(chosen.out, HasSubstr("not tried, as compute-2 refuses it"));
  Expect(ExitCode::kDone, Run({"secret", "sync", "--from", "mon", "--adopt"}));
  Expect(ExitCode::kDone, Run({"secret", "status"}));
}

// Not by Run, as two runs in one process would each take Ctrl-C over.
TEST_F(SecretCliTest, OfTwoOperatorsAtOnceTheSlowerOneIsTold) {
  Expect(ExitCode::kDone, Run({"secret", "sync", "--from", "mon"}));
  std::istringstream in;
  std::ostringstream out;
  agentctl::Cli cli({in, out, out});
  cli.options.config = config_;
  const auto nodes = cli.Targets();
  ASSERT_OK(nodes);
  agentctl::Interrupts interrupts;
  // How it ended: OK, or the first error of a node.
  const auto sync = [&](const std::string& uuid) -> absl::Status {
    agentctl::SecretWish wish;
    wish.request.set_entity("client.cinder");
    wish.request.set_uuid(uuid);
    wish.request.set_from_monitors(true);
    const auto answers = agentctl::SyncSecret(cli, interrupts, *nodes, wish, /*dry_run=*/false);
    if (!answers.ok()) return answers.status();
    absl::Status first;
    for (const auto& answer : *answers) first.Update(answer.status());
    return first;
  };
  for (int round = 0; round < 10; ++round) {
    absl::Status a;
    std::thread other([&] { a = sync(kUuidA); });
    const absl::Status b = sync(kUuidB);
    other.join();
    EXPECT_TRUE(a.ok() || b.ok()) << a << b;
    for (const absl::Status& each : {a, b}) {
      EXPECT_TRUE(each.ok() || ErrorReason(each) == "SECRET_CLAIMED") << each;
    }
    const CommandResult status = Run({"secret", "status"});
    Expect(ExitCode::kDone, status);
    // Who was told wins nowhere.
    if (!a.ok() || !b.ok()) {
      EXPECT_THAT(status.out, Not(HasSubstr(a.ok() ? kUuidB : kUuidA)));
    }
  }
}

TEST_F(SecretCliTest, GuestMovesToTheNextUserAndTheOneBeforeIsRetired) {
  StartGuest();
  const std::vector<std::string> rotate = {"secret", "rotate",       "--entity", "client.cinder",
                                           "--to",   "client.vm.g2", "--from",   "mon"};
  Expect(ExitCode::kDone, Run(rotate));
  const CommandResult in_use = Run({"secret", "retire", "client.cinder", "--yes"});
  Expect(ExitCode::kNotAsItShouldBe, in_use);
  EXPECT_THAT(in_use.err, HasSubstr("web1"));

  std::vector<std::string> restart = rotate;
  restart.insert(restart.end(), {"--restart", "--yes"});
  const CommandResult restarted = Run(restart);
  Expect(ExitCode::kDone, restarted);
  EXPECT_THAT(restarted.out, HasSubstr("restarted web1"));
  Expect(ExitCode::kDone, Run({"secret", "retire", "client.cinder", "--yes"}));
  const CommandResult status = Run({"secret", "status"});
  Expect(ExitCode::kDone, status);
  EXPECT_THAT(status.out, AllOf(HasSubstr("client.vm.g2"), Not(HasSubstr("client.cinder"))));
}

TEST_F(SecretCliTest, RotationLeadsBackWithTheTwoExchanged) {
  StartGuest();
  Expect(ExitCode::kDone, Run({"secret", "rotate", "--entity", "client.cinder", "--to",
                               "client.vm.g2", "--from", "mon"}));
  const CommandResult back =
      Run({"secret", "rotate", "--entity", "client.vm.g2", "--to", "client.cinder", "--restart"});
  Expect(ExitCode::kDone, back);
  EXPECT_THAT(back.out, HasSubstr("none left"));
  Expect(ExitCode::kNotAsItShouldBe, Run({"secret", "retire", "client.cinder", "--yes"}));
  Expect(ExitCode::kDone, Run({"secret", "retire", "client.vm.g2", "--yes"}));
}

TEST_F(SecretCliTest, CephThatOneNodeCannotReachStopsARotationBeforeAnythingIsDone) {
  StartGuest();
  two_.keys().faults().SetHealth(absl::UnavailableError("no monitor answers"));
  const CommandResult stopped = Run({"secret", "rotate", "--entity", "client.cinder", "--to",
                                     "client.vm.g2", "--from", "mon", "-o", "json"});
  Expect(ExitCode::kSomeFailed, stopped);
  EXPECT_THAT(stopped.err, HasSubstr("compute-2: "));
  two_.keys().faults().SetHealth(absl::OkStatus());
  const CommandResult status = Run({"secret", "status", "--entity", "client.vm.g2"});
  Expect(ExitCode::kNotAsItShouldBe, status);
  EXPECT_THAT(status.out, Not(HasSubstr("compute-")));
}

TEST_F(SecretCliTest, KeyThatCephTakesNoLongerIsFound) {
  Expect(ExitCode::kDone, Run({"secret", "sync", "--from", "mon"}));
  cluster_->RemoveEntity("client.cinder");
  const CommandResult status = Run({"secret", "status"});
  Expect(ExitCode::kNotAsItShouldBe, status);
  EXPECT_THAT(status.out, HasSubstr("CEPH_KEY_REFUSED"));
  Expect(ExitCode::kDone, Run({"secret", "status", "--no-prove"}));
}

}  // namespace
}  // namespace hvagent
