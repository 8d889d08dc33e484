// `agentctl secret rotate` and `secret retire`, against agents in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const char kOld[] = "client.vm.g1";
const char kNew[] = "client.vm.g2";
const char kWeb1[] = "65bd684f-0414-4b58-9924-af681091be01";
const char kWeb2[] = "65bd684f-0414-4b58-9924-af681091be02";
const char kWeb3[] = "65bd684f-0414-4b58-9924-af681091be03";

// A node that keeps both secrets, and guests that run as the old entity until they are stopped
// after the rotation.
class RotatingNode {
 public:
  explicit RotatingNode(const std::string& name) : agent(name) {
    agent.on_check = [this](const v1::CheckSecretsRequest&, v1::CheckSecretsResponse* response) {
      MutexLock lock(mutex_);
      *response->add_secrets() = Report(kOld, "11111111-1111-5111-8111-111111111111");
      if (has_new) *response->add_secrets() = Report(kNew, "22222222-2222-5222-8222-222222222222");
    };
    agent.on_rotate = [this](const v1::RotateSecretRequest& request,
                             v1::RotateSecretResponse* response) {
      MutexLock lock(mutex_);
      response->set_was_rotated(rotated_);
      if (!request.dry_run()) rotated_ = true;
      for (const auto& [uuid, guest] : running_) *response->add_running_vms() = guest;
      return grpc::Status::OK;
    };
    agent.on_restart = [this](grpc::ServerContext*, const v1::RestartVmRequest& request) {
      MutexLock lock(mutex_);
      running_.erase(request.id());
      return grpc::Status::OK;
    };
  }

  void AddGuest(const std::string& uuid, const std::string& name) {
    agent.AddVm(uuid, name, v1::RUNNING);
    AddForeignGuest(uuid, name);
  }
  // One that the agent did not make.
  void AddForeignGuest(const std::string& uuid, const std::string& name) {
    MutexLock lock(mutex_);
    running_[uuid].set_uuid(uuid);
    running_[uuid].set_name(name);
  }
  // The calls that change something.
  std::vector<std::string> changes() const {
    std::vector<std::string> changes;
    for (const std::string& call : agent.calls()) {
      if (!absl::StrContains(call, "Check") && !absl::EndsWith(call, "dry-run")) {
        changes.push_back(call);
      }
    }
    return changes;
  }

  FakeAgent agent;
  std::atomic<bool> has_new{true};

 private:
  v1::SecretReport Report(const std::string& entity, const std::string& uuid)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    v1::SecretReport report;
    report.mutable_secret()->set_entity(entity);
    report.mutable_secret()->set_uuid(uuid);
    report.mutable_secret()->set_has_value(true);
    if (entity != kOld) return report;
    if (rotated_) report.set_superseded_by(kNew);
    for (const auto& [id, guest] : running_) *report.add_running_vms() = guest;
    return report;
  }

  Mutex mutex_;
  bool rotated_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, v1::VmRef> running_ ABSL_GUARDED_BY(mutex_);
};

class SecretRotateTest : public ::testing::Test {
 protected:
  RunResult Rotate(std::vector<std::string> arguments = {}, const RunOptions& options = {}) {
    arguments.insert(arguments.begin(), {"secret", "rotate", "--entity", kOld, "--to", kNew});
    return Run(std::move(arguments), options);
  }
  RunResult Run(std::vector<std::string> arguments, const RunOptions& options = {}) {
    return RunAgentctl({&one_.agent, &two_.agent}, std::move(arguments), options);
  }

  RotatingNode one_{"compute-1"};
  RotatingNode two_{"compute-2"};
};

TEST_F(SecretRotateTest, NewUsersSecretThenStartsOnAllNodes) {
  one_.AddGuest(kWeb1, "web1");
  const RunResult result = Rotate({"--from", "mon"});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  const auto changes = ElementsAre(absl::StrCat("SecretService.Sync ", kNew),
                                   absl::StrCat("SecretService.Rotate ", kNew));
  EXPECT_THAT(one_.changes(), changes);
  EXPECT_THAT(two_.changes(), changes);
  EXPECT_THAT(result.out, AllOf(HasSubstr("web1 at their next restart or migration"),
                                HasSubstr("none left"), HasSubstr(kNew)));
}

TEST_F(SecretRotateTest, WithoutASourceTheSecretHasToBeThereAndIsProved) {
  EXPECT_EQ(Rotate().exit, ExitCode::kDone);
  EXPECT_THAT(one_.agent.calls(), Contains("SecretService.Check prove"));
  EXPECT_THAT(one_.changes(), ElementsAre(absl::StrCat("SecretService.Rotate ", kNew)));
}

TEST_F(SecretRotateTest, SecretThatOneNodeLacksStopsItBeforeAnythingIsDone) {
  two_.has_new = false;
  const RunResult result = Rotate();
  EXPECT_EQ(result.exit, ExitCode::kNotAsItShouldBe);
  EXPECT_THAT(result.err, AllOf(HasSubstr("compute-2"), HasSubstr("--from")));
  EXPECT_THAT(one_.changes(), IsEmpty());
}

TEST_F(SecretRotateTest, SecretThatNoNodeHasNeedsASource) {
  one_.has_new = two_.has_new = false;
  const RunResult result = Rotate();
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, HasSubstr("--from SOURCE"));
}

TEST_F(SecretRotateTest, SilentNodeStopsItBeforeAnythingIsDoneUnlessItIsLeftOut) {
  two_.agent.Stop();
  const RunResult result = Rotate({"--from", "mon"});
  EXPECT_EQ(result.exit, ExitCode::kSomeFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr("compute-2"), HasSubstr("--node")));
  EXPECT_THAT(one_.changes(), IsEmpty());
  EXPECT_EQ(Rotate({"--from", "mon", "--node", "compute-1"}).exit, ExitCode::kDone);
}

TEST_F(SecretRotateTest, KeyThatOneNodeRefusesStopsItBeforeGuestsStartAsIt) {
  two_.agent.on_sync = [](const v1::SyncSecretRequest& request) {
    if (request.dry_run()) return grpc::Status::OK;
    return AgentError(grpc::StatusCode::UNAUTHENTICATED, "CEPH_KEY_REFUSED", "not that key");
  };
  const RunResult result = Rotate({"--from", "mon"});
  EXPECT_EQ(result.exit, ExitCode::kSomeFailed);
  EXPECT_THAT(result.err, HasSubstr("not that key"));
  EXPECT_THAT(one_.changes(), Not(Contains(HasSubstr("Rotate"))));
}

TEST_F(SecretRotateTest, DryRunShowsThePlan) {
  one_.AddGuest(kWeb1, "web1");
  const RunResult result = Rotate({"--from", "mon", "--restart", "--dry-run"});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("would DEFINE"), HasSubstr("would be client.vm.g2"),
                                HasSubstr("would restart web1")));
  EXPECT_THAT(one_.changes(), IsEmpty());
}

TEST_F(SecretRotateTest, ToItselfExplainsRotationInPlace) {
  const RunResult result = Run({"secret", "rotate", "--entity", kOld, "--to", kOld});
  EXPECT_EQ(result.exit, ExitCode::kUsage);
  EXPECT_THAT(result.err, HasSubstr("agentctl secret sync --entity client.vm.g1"));
}

TEST_F(SecretRotateTest, GuestsAreRestartedOneAfterAnotherWhereAskedFor) {
  one_.AddGuest(kWeb1, "web1");
  one_.AddGuest(kWeb2, "web2");
  two_.AddGuest(kWeb3, "web3");
  const RunResult result = Rotate({"--restart", "--yes"}, {true, ""});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(one_.changes(),
              ElementsAre(HasSubstr("Rotate"), absl::StrCat("VmService.Restart ", kWeb1),
                          absl::StrCat("VmService.Restart ", kWeb2)));
  EXPECT_THAT(result.out, AllOf(HasSubstr("restarted web1, web2"), HasSubstr("restarted web3")));
  EXPECT_THAT(result.err, AllOf(HasSubstr("web1 on compute-1: restarting"),
                                HasSubstr("would restart web1, web2")));
}

TEST_F(SecretRotateTest, RestartsAreAskedForFirst) {
  one_.AddGuest(kWeb1, "web1");
  EXPECT_EQ(Rotate({"--restart"}).exit, ExitCode::kUsage);
  const RunResult refused = Rotate({"--restart"}, {true, "n\n"});
  EXPECT_EQ(refused.exit, ExitCode::kFailed);
  EXPECT_THAT(refused.err, HasSubstr("Restart 1 guest(s), one node after another: web1?"));
  EXPECT_THAT(one_.changes(), IsEmpty());
}

TEST_F(SecretRotateTest, GuestThatDoesNotShutDownLosesItsPower) {
  one_.AddGuest(kWeb1, "web1");
  const auto restart = one_.agent.on_restart;
  one_.agent.on_restart = [restart](grpc::ServerContext* context,
                                    const v1::RestartVmRequest& request) {
    // What the agent answers when the caller's deadline passes.
    if (!request.force()) {
      while (!context->IsCancelled()) {
      }
      return grpc::Status::CANCELLED;
    }
    return restart(context, request);
  };
  const RunResult result = Rotate({"--restart", "--yes", "--restart-timeout", "100ms"});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(one_.changes(),
              ElementsAre(HasSubstr("Rotate"), absl::StrCat("VmService.Restart ", kWeb1),
                          absl::StrCat("VmService.Restart ", kWeb1, " force")));
}

TEST_F(SecretRotateTest, GuestThatDoesNotComeBackKeepsTheOthersRunning) {
  one_.AddGuest(kWeb1, "web1");
  one_.AddGuest(kWeb2, "web2");
  two_.AddGuest(kWeb3, "web3");
  one_.agent.on_restart = [](grpc::ServerContext*, const v1::RestartVmRequest&) {
    return AgentError(grpc::StatusCode::FAILED_PRECONDITION, "DOMAIN_START_FAILED", "no disk");
  };
  const RunResult result = Rotate({"--restart", "--yes"});
  EXPECT_EQ(result.exit, ExitCode::kSomeFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr("restart web1 on compute-1"), HasSubstr("no disk")));
  EXPECT_THAT(one_.changes(), Not(Contains(absl::StrCat("VmService.Restart ", kWeb2))));
  EXPECT_THAT(two_.changes(), Not(Contains(HasSubstr("VmService"))));
  EXPECT_THAT(result.out, AllOf(HasSubstr("left: web1, web2"), HasSubstr("left: web3")));
}

TEST_F(SecretRotateTest, GuestOfSomebodyElseIsNotTouched) {
  one_.AddForeignGuest(kWeb1, "legacy");
  one_.agent.on_restart = nullptr;
  const RunResult result = Rotate({"--restart", "--yes"});
  EXPECT_EQ(result.exit, ExitCode::kSomeFailed);
  EXPECT_THAT(result.err, HasSubstr("restart legacy on compute-1: is not one of this agent's"));
  EXPECT_THAT(one_.changes(), Not(Contains(HasSubstr("Start"))));
}

TEST_F(SecretRotateTest, AgainGoesOnWhereItStopped) {
  one_.AddGuest(kWeb1, "web1");
  EXPECT_EQ(Rotate({"--from", "mon"}).exit, ExitCode::kDone);
  const RunResult again = Rotate({"--restart", "--yes", "-o", "json"});
  EXPECT_EQ(again.exit, ExitCode::kDone) << again.err;
  EXPECT_THAT(again.out, HasSubstr("\"was_rotated\": true"));
  EXPECT_THAT(one_.changes(), Contains(absl::StrCat("VmService.Restart ", kWeb1)));
}

// --- Retire ---

TEST_F(SecretRotateTest, RetireLooksEverywhereThenRemovesEverywhere) {
  const RunResult result = Run({"secret", "retire", kOld, "--yes"});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(one_.agent.calls(),
              ElementsAre(absl::StrCat("SecretService.Retire ", kOld, " dry-run"),
                          absl::StrCat("SecretService.Retire ", kOld)));
  EXPECT_THAT(result.out, HasSubstr("removed"));
}

TEST_F(SecretRotateTest, RetireIsRefusedByOneUserOnOneNode) {
  two_.agent.on_retire = [](const v1::RetireSecretRequest&, v1::RetireSecretResponse*) {
    return AgentError(grpc::StatusCode::FAILED_PRECONDITION, "SECRET_IN_USE", "web3 uses it");
  };
  const RunResult result = Run({"secret", "retire", kOld, "--yes", "-o", "json"});
  EXPECT_EQ(result.exit, ExitCode::kNotAsItShouldBe);
  EXPECT_THAT(result.err, HasSubstr("compute-2: web3 uses it"));
  EXPECT_THAT(result.out, Not(HasSubstr("\"removed\": true")));
  EXPECT_THAT(one_.changes(), IsEmpty());
}

TEST_F(SecretRotateTest, RetireIsRefusedWhileTheCountOfANodeIsNotKnown) {
  two_.agent.Stop();
  const RunResult result = Run({"secret", "retire", kOld, "--yes"});
  EXPECT_EQ(result.exit, ExitCode::kSomeFailed);
  EXPECT_THAT(result.err, HasSubstr("is not known"));
  EXPECT_THAT(result.out, HasSubstr("stays, as it does on other nodes"));
  EXPECT_THAT(one_.changes(), IsEmpty());
}

TEST_F(SecretRotateTest, RetireAsksAndDryRunDoesNot) {
  EXPECT_EQ(Run({"secret", "retire", kOld}).exit, ExitCode::kUsage);
  const RunResult dry = Run({"secret", "retire", kOld, "--dry-run"});
  EXPECT_EQ(dry.exit, ExitCode::kDone) << dry.err;
  EXPECT_THAT(dry.out, HasSubstr("would be removed"));
  EXPECT_THAT(one_.changes(), IsEmpty());
}

TEST_F(SecretRotateTest, RetireOfWhatIsGoneHasNothingToAsk) {
  for (RotatingNode* const node : {&one_, &two_}) {
    node->agent.on_retire = [](const v1::RetireSecretRequest&, v1::RetireSecretResponse* response) {
      response->set_removed(false);
      return grpc::Status::OK;
    };
  }
  const RunResult result = Run({"secret", "retire", kOld});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(result.out, HasSubstr("gone already"));
}

}  // namespace
}  // namespace hvagent::agentctl
