// `agentctl secret sync`, against agents in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const char kWanted[] = "65bd684f-0414-4b58-9924-af681091be09";
const char kAgreed[] = "65bd684f-0414-4b58-9924-af681091be10";
const char kOther[] = "65bd684f-0414-4b58-9924-af681091be11";
const char kKey[] = "AQAAAAAAAAAAABAAAAECAwQFBgcICQoLDA0ODw==";
const char kLook[] = "SecretService.Sync client.cinder dry-run";
const char kSync[] = "SecretService.Sync client.cinder";

class SecretSyncTest : public ::testing::Test {
 protected:
  // secret sync --from a keyring of client.cinder, and `arguments`.
  RunResult Sync(std::vector<std::string> arguments) {
    const std::string keyring =
        dir_.Write("keyring", absl::StrCat("[client.cinder]\n\tkey = ", kKey, "\n"));
    arguments.insert(arguments.begin(), {"secret", "sync", "--from", "keyring:" + keyring});
    return Run(std::move(arguments));
  }
  RunResult Run(std::vector<std::string> arguments) {
    return RunAgentctl({&one_, &two_}, std::move(arguments));
  }

  FakeAgent one_{"compute-1"};
  FakeAgent two_{"compute-2"};
  TempDir dir_;
};

TEST_F(SecretSyncTest, GoesToAllNodesInOneRoundAndShowsNoKey) {
  const RunResult result = Sync({});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(one_.calls(), ElementsAre(kSync));
  EXPECT_THAT(two_.calls(), ElementsAre(kSync));
  ASSERT_THAT(one_.synced(), SizeIs(1));
  EXPECT_EQ(one_.synced().front().key(), kKey);
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("AQAA")));
}

TEST_F(SecretSyncTest, FailureOnOneNodeIsExitThreeAndShowsNoKey) {
  two_.on_sync = [](const v1::SyncSecretRequest&) {
    return AgentError(grpc::StatusCode::FAILED_PRECONDITION, "SECRET_CONFLICT",
                      "the usage belongs to another secret");
  };
  const RunResult result = Sync({"-o", "json"});
  EXPECT_EQ(result.exit, ExitCode::kSomeFailed);
  EXPECT_THAT(result.err, HasSubstr("\"reason\": \"SECRET_CONFLICT\""));
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("AQAA")));
}

TEST_F(SecretSyncTest, MalformedKeyIsRefusedHereAndNotQuoted) {
  const std::string file = dir_.Write("bad", "[client.cinder]\n key = bm90IGEga2V5\n");
  const RunResult result = Run({"secret", "sync", "--from", absl::StrCat("keyring:", file)});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr(file), Not(HasSubstr("bm90"))));
  EXPECT_THAT(one_.calls(), IsEmpty());
}

TEST_F(SecretSyncTest, SourcesOnTheNodesAreReadByTheAgents) {
  EXPECT_EQ(Run({"secret", "sync", "--from", "node-keyring:/etc/k"}).exit, ExitCode::kDone);
  EXPECT_EQ(Run({"secret", "sync", "--from", "credential:cinder"}).exit, ExitCode::kDone);
  EXPECT_EQ(Run({"secret", "sync", "--from", "mon"}).exit, ExitCode::kDone);
  ASSERT_THAT(one_.synced(), SizeIs(3));
  EXPECT_EQ(one_.synced()[0].keyring_file(), "/etc/k");
  EXPECT_EQ(one_.synced()[1].credential(), "cinder");
  EXPECT_TRUE(one_.synced()[2].from_monitors());
  for (const auto& request : one_.synced()) EXPECT_THAT(request.key(), IsEmpty());
}

TEST_F(SecretSyncTest, FlagsReachTheAgents) {
  EXPECT_EQ(Sync({"--ephemeral", "--private", "--adopt", "--force", "--usage", "u"}).exit,
            ExitCode::kDone);
  ASSERT_THAT(one_.synced(), SizeIs(1));
  const v1::SyncSecretRequest request = one_.synced().front();
  EXPECT_TRUE(request.ephemeral() && request.private_() && request.adopt() && request.force());
  EXPECT_EQ(request.usage(), "u");
}

TEST_F(SecretSyncTest, UuidMayBeInUpperCaseAndNotInBraces) {
  EXPECT_EQ(Sync({"--uuid", "65BD684F-0414-4B58-9924-AF681091BE09"}).exit, ExitCode::kDone);
  const RunResult braces = Sync({"--uuid", absl::StrCat("{", kWanted, "}")});
  EXPECT_EQ(braces.exit, ExitCode::kUsage);
  EXPECT_THAT(braces.err, HasSubstr("8-4-4-4-12"));
  EXPECT_THAT(one_.synced(), SizeIs(1));
}

TEST_F(SecretSyncTest, ChosenUuidReplacesWhatTheClusterAgreedOn) {
  one_.SetClaim(kAgreed);
  two_.SetClaim(kAgreed);
  const RunResult result = Sync({"--uuid", kWanted});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(two_.calls(), ElementsAre(kLook, kSync));
  ASSERT_THAT(two_.synced(), SizeIs(1));
  EXPECT_EQ(two_.synced().front().uuid(), kWanted);
  EXPECT_EQ(two_.synced().front().replaces_uuid(), kAgreed);
}

TEST_F(SecretSyncTest, NothingIsDoneWhenTheNodesNameDifferentAgreements) {
  one_.SetClaim(kAgreed);
  two_.SetClaim(kOther);
  const RunResult result = Sync({"--uuid", kWanted});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr(absl::StrCat(kAgreed, " (compute-1)")),
                                HasSubstr(absl::StrCat(kOther, " (compute-2)"))));
  EXPECT_THAT(one_.synced(), IsEmpty());
  EXPECT_THAT(two_.synced(), IsEmpty());
}

TEST_F(SecretSyncTest, OneRefusalKeepsAChosenUuidFromAllNodes) {
  two_.on_sync = [](const v1::SyncSecretRequest&) {
    return AgentError(grpc::StatusCode::FAILED_PRECONDITION, "SECRET_CONFLICT", "in the way");
  };
  const RunResult result = Sync({"--uuid", kWanted});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.out, HasSubstr("not tried, as compute-2 refuses it"));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_THAT(one_.synced(), IsEmpty());
}

TEST_F(SecretSyncTest, SilentNodeHindersNobodyAndIsExitThree) {
  two_.Stop();
  const RunResult result = Sync({"--uuid", kWanted});
  EXPECT_EQ(result.exit, ExitCode::kSomeFailed);
  EXPECT_THAT(result.out, HasSubstr("compute-2   UNAVAILABLE: "));
  EXPECT_THAT(one_.synced(), SizeIs(1));
}

TEST_F(SecretSyncTest, WhoWasSlowerIsToldByEveryNode) {
  const auto claimed = [](const v1::SyncSecretRequest& request) {
    if (request.dry_run()) return grpc::Status::OK;
    return AgentError(grpc::StatusCode::ABORTED, "SECRET_CLAIMED",
                      "the secret has another UUID: somebody else was first");
  };
  one_.on_sync = claimed;
  two_.on_sync = claimed;
  const RunResult result = Sync({"--uuid", kWanted});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr("compute-1: the secret has another UUID"),
                                HasSubstr("compute-2: the secret has another UUID")));
}

TEST_F(SecretSyncTest, DryRunShowsStepsWithTheirReasonsAndChangesNothing) {
  const RunResult result = Sync({"--uuid", kWanted, "--dry-run"});
  EXPECT_EQ(result.exit, ExitCode::kDone);
  EXPECT_THAT(result.out, AllOf(HasSubstr("would DEFINE"), HasSubstr("libvirt has none")));
  EXPECT_THAT(one_.calls(), ElementsAre(kLook));
}

TEST_F(SecretSyncTest, ManifestMaySayHowTheSecretIsKept) {
  const std::string file = dir_.Write("m.yaml",
                                      "secrets:\n- entity: client.cinder\n"
                                      "  key_source: {from_monitors: true}\n"
                                      "  ephemeral: true\n  private: true\n");
  EXPECT_EQ(Run({"apply", "-f", file}).exit, ExitCode::kDone);
  ASSERT_THAT(one_.synced(), SizeIs(1));
  const v1::SyncSecretRequest request = one_.synced().front();
  EXPECT_TRUE(request.from_monitors() && request.ephemeral() && request.private_());
}

TEST_F(SecretSyncTest, ManifestNeedsOneSourceAndAUuidThatIsOne) {
  const auto apply = [&](const std::string& rest) {
    return Run({"apply", "-f", dir_.Write("m.yaml", "secrets:\n- entity: client.cinder\n" + rest)})
        .err;
  };
  EXPECT_THAT(apply("  usage: u\n"), HasSubstr("secrets[0].key_source.keyring_file"));
  EXPECT_THAT(apply("  key_source: {keyring_file: /k, from_monitors: true}\n"),
              HasSubstr("secrets[0].key_source.from_monitors"));
  EXPECT_THAT(apply("  uuid: '{65bd684f-0414-4b58-9924-af681091be09}'\n"
                    "  key_source: {from_monitors: true}\n"),
              HasSubstr("secrets[0].uuid"));
  EXPECT_THAT(one_.calls(), IsEmpty());
}

}  // namespace
}  // namespace hvagent::agentctl
