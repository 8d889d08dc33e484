// agentctl as people run it, against agents in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const char kUuid1[] = "65bd684f-0414-4b58-9924-af681091be09";
const char kUuid2[] = "65bd684f-0414-4b58-9924-af681091be10";
const char kKey[] = "AQAAAAAAAAAAABAAAAECAwQFBgcICQoLDA0ODw==";

std::string Keyring(const TempDir& dir) {
  return dir.Write("keyring", absl::StrCat("[client.cinder]\n\tkey = ", kKey, "\n"));
}

std::string VmYaml(const std::string& uuid, const std::string& name, const std::string& node) {
  return absl::StrCat("- uuid: ", uuid, "\n  name: ", name, "\n",
                      node.empty() ? "" : absl::StrCat("  node: ", node, "\n"),
                      "  vcpus: 1\n  memory_mib: 256\n"
                      "  root_disk: {image: jammy, size_gib: 1}\n");
}

class CommandsTest : public ::testing::Test {
 protected:
  RunResult Run(std::vector<std::string> arguments, const RunOptions& options = {}) {
    return RunAgentctl({&one_, &two_}, std::move(arguments), options);
  }

  FakeAgent one_{"compute-1"};
  FakeAgent two_{"compute-2"};
  TempDir dir_;
};

TEST_F(CommandsTest, WrongUsageIsTwoAndSaysWhereHelpIs) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"vm"},
                                                    {"frob"},
                                                    {"vm", "frob"},
                                                    {"vm", "get"},
                                                    {"get", "vm", "-o", "xml"},
                                                    {"get", "vm", "--timeout", "0s"},
                                                    {"get", "vm", "--node", "a", "--all"},
                                                    {"image", "import", "f", "--format", "vmdk"},
                                                    {"image", "import", "f", "--sha256", "abc"},
                                                    {"secret", "sync", "--from", "elsewhere"},
                                                    {"secret", "sync", "--from", "credential:"},
                                                    {"secret", "sync", "--entity", "cinder"},
                                                    {"secret", "rotate", "--entity", "client.a"},
                                                    {"secret", "retire"}}) {
    const RunResult result = Run(arguments);
    EXPECT_EQ(result.exit, ExitCode::kUsage) << result.err;
    EXPECT_THAT(result.err, HasSubstr("--help"));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
  }
}

TEST_F(CommandsTest, MistypedWordIsNamed) {
  EXPECT_THAT(Run({"vm", "frob"}).err, HasSubstr("'frob'"));
}

TEST_F(CommandsTest, HelpIsAResult) {
  const RunResult result = Run({"vm", "stop", "--help"});
  EXPECT_EQ(result.exit, ExitCode::kDone);
  EXPECT_THAT(result.out, AllOf(HasSubstr("Example: agentctl vm stop"), HasSubstr("--force")));
}

TEST_F(CommandsTest, GlobalOptionsMayComeAfterTheCommand) {
  one_.AddVm(kUuid1, "web-1");
  two_.AddVm(kUuid2, "web-2");
  EXPECT_EQ(Run({"vm", "list", "-o", "name", "--node", "compute-2"}).out,
            absl::StrCat("vm/", kUuid2, "\n"));
}

TEST_F(CommandsTest, VmMayBearTheNameOfACommand) {
  one_.AddVm(kUuid1, "list");
  EXPECT_EQ(Run({"vm", "get", "list", "-o", "name"}).out, absl::StrCat("vm/", kUuid1, "\n"));
  EXPECT_EQ(Run({"get", "vm", "list", "-o", "name"}).out, absl::StrCat("vm/", kUuid1, "\n"));
}

TEST_F(CommandsTest, ListReadsAllPagesOfAllNodes) {
  one_.AddVm(kUuid1, "web-1");
  one_.AddVm(kUuid2, "web-2");
  two_.AddVm("65bd684f-0414-4b58-9924-af681091be11", "web-3");
  const RunResult result = Run({"get", "vm", "-o", "name"});
  EXPECT_EQ(result.exit, ExitCode::kDone);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 3) << result.out;
}

TEST_F(CommandsTest, SilentNodeIsARowWithItsErrorAndExitThree) {
  one_.AddVm(kUuid1, "web-1");
  two_.Stop();
  const RunResult result = Run({"vm", "list"});
  EXPECT_EQ(result.exit, ExitCode::kSomeFailed);
  EXPECT_THAT(result.out, AllOf(HasSubstr("web-1"), HasSubstr("compute-2   UNAVAILABLE: ")));
  EXPECT_THAT(result.err, HasSubstr("agentctl: list VMs on compute-2: "));
}

TEST_F(CommandsTest, AllNodesSilentIsExitOne) {
  one_.Stop();
  two_.Stop();
  EXPECT_EQ(Run({"node", "list"}).exit, ExitCode::kFailed);
}

TEST_F(CommandsTest, ErrorsComeAsJsonTooWithJsonOutput) {
  const RunResult result = Run({"vm", "get", "nobody", "-o", "json"});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, HasSubstr("\n{\"error\": {\"what\": \"get VM nobody\""));
  EXPECT_THAT(result.err, HasSubstr("\"reason\": \"VM_NOT_FOUND\""));
}

TEST_F(CommandsTest, NodeListShowsConditions) {
  two_.SetCephConnected(false);
  const RunResult result = Run({"get", "node"});
  EXPECT_EQ(result.exit, ExitCode::kDone);
  EXPECT_THAT(result.out, HasSubstr("False (CEPH_UNREACHABLE)"));
}

TEST_F(CommandsTest, NodeGetOfAnUnknownNameSaysWhichThereAre) {
  const RunResult result = Run({"node", "get", "compute-9"});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, HasSubstr("compute-1, compute-2"));
}

TEST_F(CommandsTest, ImageCommandsGoToANodeThatIsConnectedToCeph) {
  one_.SetCephConnected(false);
  EXPECT_EQ(Run({"image", "list"}).exit, ExitCode::kDone);
  EXPECT_THAT(one_.calls(), Not(Contains("ImageService.List ")));
  EXPECT_THAT(two_.calls(), Contains("ImageService.List "));
}

TEST_F(CommandsTest, ImageCommandsPassOverASilentNode) {
  one_.Stop();
  EXPECT_EQ(Run({"image", "list"}).exit, ExitCode::kDone);
  EXPECT_THAT(two_.calls(), Contains("ImageService.List "));
}

TEST_F(CommandsTest, WithoutAHealthyNodeEachSaysWhy) {
  one_.SetCephConnected(false);
  two_.Stop();
  const RunResult result = Run({"image", "list"});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr("compute-1: not connected to Ceph: no monitor answers"),
                                HasSubstr("compute-2: there is no socket")));
}

TEST_F(CommandsTest, VmCommandsFindTheNodeThatHasIt) {
  two_.AddVm(kUuid1, "web-1");
  const RunResult result = Run({"vm", "start", "web-1"});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(two_.calls(), Contains(absl::StrCat("VmService.Start ", kUuid1)));
  EXPECT_THAT(one_.calls(), IsEmpty());
  EXPECT_THAT(result.out, HasSubstr("RUNNING"));
}

TEST_F(CommandsTest, NameOnTwoNodesIsRefusedNamingBoth) {
  one_.AddVm(kUuid1, "web-1");
  two_.AddVm(kUuid2, "web-1");
  const RunResult result = Run({"vm", "start", "web-1"});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr("compute-1"), HasSubstr("compute-2")));
  EXPECT_EQ(Run({"--node", "compute-2", "vm", "start", "web-1"}).exit, ExitCode::kDone);
}

TEST_F(CommandsTest, NameIsNotActedOnWhileANodeIsSilent) {
  one_.AddVm(kUuid1, "web-1");
  two_.Stop();
  EXPECT_EQ(Run({"vm", "get", "web-1"}).exit, ExitCode::kDone);
  EXPECT_THAT(Run({"vm", "start", "web-1"}).err, HasSubstr("compute-2"));
  EXPECT_THAT(one_.calls(), IsEmpty());
  EXPECT_EQ(Run({"vm", "start", kUuid1}).exit, ExitCode::kDone);
}

TEST_F(CommandsTest, DeleteNeedsYesWithoutATerminal) {
  one_.AddVm(kUuid1, "web-1");
  const RunResult refused = Run({"vm", "delete", "web-1"});
  EXPECT_EQ(refused.exit, ExitCode::kUsage);
  EXPECT_THAT(refused.err, HasSubstr("--yes"));
  EXPECT_EQ(Run({"image", "delete", "jammy"}).exit, ExitCode::kUsage);
  EXPECT_THAT(one_.calls(), IsEmpty());
  EXPECT_EQ(Run({"vm", "delete", "web-1", "--yes"}).exit, ExitCode::kDone);
  EXPECT_THAT(one_.calls(), Contains(absl::StrCat("VmService.Delete ", kUuid1)));
}

TEST_F(CommandsTest, DeleteAsksOnATerminal) {
  one_.AddVm(kUuid1, "web-1");
  EXPECT_EQ(Run({"vm", "delete", "web-1"}, {true, "n\n"}).exit, ExitCode::kFailed);
  EXPECT_THAT(one_.calls(), IsEmpty());
  const RunResult agreed = Run({"vm", "delete", "web-1"}, {true, "yes\n"});
  EXPECT_EQ(agreed.exit, ExitCode::kDone);
  EXPECT_THAT(agreed.err, HasSubstr("[y/N]"));
}

TEST_F(CommandsTest, DeletionForEverAsksTwice) {
  one_.AddVm(kUuid1, "web-1");
  EXPECT_EQ(Run({"vm", "delete", "web-1", "--now"}).exit, ExitCode::kUsage);
  EXPECT_EQ(Run({"vm", "delete", "web-1", "--now"}, {true, "y\nn\n"}).exit, ExitCode::kFailed);
  EXPECT_THAT(one_.calls(), IsEmpty());
  EXPECT_EQ(Run({"vm", "delete", "web-1", "--now"}, {true, "y\ny\n"}).exit, ExitCode::kDone);
  EXPECT_THAT(one_.calls(), Contains(absl::StrCat("VmService.Delete ", kUuid1, " REMOVE")));
  EXPECT_THAT(Run({"vm", "list", "--deleted"}).out, Not(HasSubstr(kUuid1)));
}

TEST_F(CommandsTest, KeptDisksAreNotRemovedAtOnce) {
  one_.AddVm(kUuid1, "web-1");
  EXPECT_EQ(Run({"vm", "delete", "web-1", "--now", "--keep-disks", "--yes"}).exit,
            ExitCode::kUsage);
  EXPECT_EQ(Run({"vm", "delete", "web-1", "--keep-disks", "--yes"}).exit, ExitCode::kDone);
  EXPECT_THAT(one_.calls(), Contains(absl::StrCat("VmService.Delete ", kUuid1, " KEEP")));
}

TEST_F(CommandsTest, UndeleteGoesToTheNodeThatDeletedTheVm) {
  two_.AddVm(kUuid1, "web-1");
  ASSERT_EQ(Run({"vm", "delete", "web-1", "--yes"}).exit, ExitCode::kDone);
  EXPECT_THAT(Run({"vm", "list", "--deleted"}).out, HasSubstr("web-1"));
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_EQ(Run({"vm", "undelete", "web-1"}).exit, ExitCode::kDone);
  }
  EXPECT_THAT(two_.calls(), Contains(absl::StrCat("VmService.Undelete ", kUuid1)).Times(2));
  EXPECT_THAT(one_.calls(), IsEmpty());
  const RunResult unknown = Run({"vm", "undelete", "web-9"});
  EXPECT_EQ(unknown.exit, ExitCode::kFailed);
  EXPECT_THAT(unknown.err, HasSubstr("vm list --deleted"));
}

TEST_F(CommandsTest, WhoMayHaveDeletedAVmMustAnswerBeforeItIsUndeleted) {
  one_.AddVm(kUuid1, "web-1");
  ASSERT_EQ(Run({"vm", "delete", "web-1", "--yes"}).exit, ExitCode::kDone);
  two_.Stop();
  EXPECT_EQ(Run({"vm", "undelete", "web-1"}).exit, ExitCode::kFailed);
  EXPECT_EQ(Run({"--node", "compute-1", "vm", "undelete", "web-1"}).exit, ExitCode::kDone);
}

TEST_F(CommandsTest, DryRunIsRefusedWhereItWouldBeIgnored) {
  one_.AddVm(kUuid1, "web-1");
  EXPECT_EQ(Run({"vm", "start", "web-1", "--dry-run"}).exit, ExitCode::kUsage);
  EXPECT_THAT(one_.calls(), IsEmpty());
}

TEST_F(CommandsTest, ApplySyncsSecretsBeforeVmsOnTheNodesThatGetVms) {
  const std::string file = dir_.Write(
      "m.yaml", absl::StrCat("secrets:\n- entity: client.cinder\n  key_source: {keyring_file: ",
                             Keyring(dir_), "}\nvms:\n", VmYaml(kUuid1, "web-1", "compute-2")));
  const RunResult result = Run({"apply", "-f", file});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(two_.calls(),
              ElementsAre("SecretService.Sync client.cinder", "NodeService.PushState web-1"));
  EXPECT_THAT(one_.calls(), IsEmpty());
  EXPECT_THAT(result.out, AllOf(HasSubstr(absl::StrCat("vm/", kUuid1)), HasSubstr("created")));
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(CommandsTest, ApplyTellsWhatItDoesOnATerminal) {
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", "compute-1"));
  EXPECT_THAT(Run({"apply", "-f", file}, {true, ""}).err,
              HasSubstr("web-1 on compute-1: applying"));
}

TEST_F(CommandsTest, NodeWhoseSecretFailedGetsNoVm) {
  one_.on_sync = [](const v1::SyncSecretRequest&) {
    return AgentError(grpc::StatusCode::FAILED_PRECONDITION, "SECRET_CONFLICT", "in the way");
  };
  const std::string file = dir_.Write(
      "m.yaml", absl::StrCat("secrets:\n- entity: client.cinder\n  key_source: {keyring_file: ",
                             Keyring(dir_), "}\nvms:\n", VmYaml(kUuid1, "web-1", "compute-1"),
                             VmYaml(kUuid2, "web-2", "compute-2")));
  EXPECT_EQ(Run({"apply", "-f", file}).exit, ExitCode::kSomeFailed);
  EXPECT_THAT(one_.calls(), Not(Contains("NodeService.PushState web-1")));
  EXPECT_THAT(two_.calls(), Contains("NodeService.PushState web-2"));
}

TEST_F(CommandsTest, FaultInTheLastVmIsFoundBeforeTheFirstIsSent) {
  const std::string file =
      dir_.Write("m.yaml", absl::StrCat("vms:\n", VmYaml(kUuid1, "web-1", "compute-1"),
                                        VmYaml(kUuid2, "web/2", "compute-1")));
  const RunResult result = Run({"apply", "-f", file});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr(file), HasSubstr("vms[1].name")));
  EXPECT_THAT(one_.calls(), IsEmpty());
}

TEST_F(CommandsTest, ManifestWithUnknownFieldOrNothingIsRefused) {
  EXPECT_THAT(Run({"apply", "-f", dir_.Write("a.yaml", "vmz: []\n")}).err, HasSubstr("vmz"));
  EXPECT_EQ(Run({"apply", "-f", dir_.Write("b.yaml", "{}\n")}).exit, ExitCode::kFailed);
  EXPECT_THAT(Run({"apply", "-f", "/nowhere/m.yaml"}).err, HasSubstr("/nowhere/m.yaml"));
}

TEST_F(CommandsTest, VmWithoutANodeNeedsOneNode) {
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", ""));
  EXPECT_THAT(Run({"apply", "-f", file}).err, HasSubstr("vms[0].node"));
  EXPECT_EQ(Run({"apply", "-f", file, "--node", "compute-2"}).exit, ExitCode::kDone);
  EXPECT_THAT(two_.calls(), Contains("NodeService.PushState web-1"));
}

TEST_F(CommandsTest, RunningVmStaysWhereItIs) {
  two_.AddVm(kUuid1, "web-1", v1::RUNNING);
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", "compute-1"));
  EXPECT_EQ(Run({"apply", "-f", file}).exit, ExitCode::kDone);
  EXPECT_THAT(one_.calls(), IsEmpty());
  EXPECT_THAT(two_.calls(), Contains("NodeService.PushState web-1"));
}

TEST_F(CommandsTest, DryRunShowsThePlanAndWaitsForNothing) {
  bool waited = true;
  one_.on_push = [&](const v1::PushStateRequest& push, v1::PushStateResponse&) {
    waited = push.wait();
    return push.dry_run() ? grpc::Status::OK : AgentError(grpc::StatusCode::INTERNAL, "X", "x");
  };
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", "compute-1"));
  const RunResult result = Run({"apply", "-f", file, "--dry-run"});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("would be created"), HasSubstr("CLONE_ROOT_DISK")));
  EXPECT_FALSE(waited);
}

TEST_F(CommandsTest, AllVmsOfANodeGoInOnePush) {
  const std::string file =
      dir_.Write("m.yaml", absl::StrCat("vms:\n", VmYaml(kUuid1, "web-1", "compute-1"),
                                        VmYaml(kUuid2, "web-2", "compute-1")));
  EXPECT_EQ(Run({"apply", "-f", file}).exit, ExitCode::kDone);
  EXPECT_THAT(one_.calls(), ElementsAre("NodeService.PushState web-1 web-2"));
}

TEST_F(CommandsTest, ApplySaysOnWhatItWasDecided) {
  two_.AddVm(kUuid2, "web-2", v1::RUNNING);
  v1::PushStateRequest pushed;
  one_.on_push = [&](const v1::PushStateRequest& push, v1::PushStateResponse&) {
    pushed = push;
    return grpc::Status::OK;
  };
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", "compute-1"));
  ASSERT_EQ(Run({"apply", "-f", file}).exit, ExitCode::kDone);
  ASSERT_EQ(pushed.vms_size(), 1);
  EXPECT_TRUE(pushed.vms(0).has_if_generation());
  EXPECT_EQ(pushed.vms(0).if_generation(), 0) << "no node has it";
  EXPECT_EQ(pushed.kind(), v1::PushStateRequest::PARTIAL);
  EXPECT_EQ(pushed.term(), 0);
}

TEST_F(CommandsTest, AVmThatIsNotAsItShallBeIsAFailureWithItsReason) {
  one_.on_push = [&](const v1::PushStateRequest& push, v1::PushStateResponse& response) {
    v1::VmProblem& problem = *response.add_problems();
    problem.set_uuid(push.vms(0).spec().uuid());
    problem.set_name(push.vms(0).spec().name());
    problem.set_reason("IMAGE_NOT_FOUND");
    problem.set_message("there is no image d18923bd");
    return grpc::Status::OK;
  };
  const std::string file =
      dir_.Write("m.yaml", absl::StrCat("vms:\n", VmYaml(kUuid1, "web-1", "compute-1"),
                                        VmYaml(kUuid2, "web-2", "compute-1")));
  const RunResult result = Run({"apply", "-f", file});
  EXPECT_EQ(result.exit, ExitCode::kSomeFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr("web-1 on compute-1"), HasSubstr("no image d18923bd")));
  EXPECT_THAT(result.out, HasSubstr("created")) << "the other one";
}

TEST_F(CommandsTest, WhatGoesOnThereExitsSo) {
  one_.on_push = [&](const v1::PushStateRequest& push, v1::PushStateResponse& response) {
    v1::VmProblem& problem = *response.add_problems();
    problem.set_uuid(push.vms(0).spec().uuid());
    problem.set_reason("STILL_IN_PROGRESS");
    return grpc::Status::OK;
  };
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", "compute-1"));
  EXPECT_EQ(Run({"apply", "-f", file}).exit, ExitCode::kGoesOnThere);
}

TEST_F(CommandsTest, DiffExitsWithFourWhenApplyWouldChangeAnything) {
  bool dry_run = false;
  one_.on_push = [&](const v1::PushStateRequest& push, v1::PushStateResponse&) {
    dry_run = push.dry_run();
    return grpc::Status::OK;
  };
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", "compute-1"));
  EXPECT_EQ(Run({"diff", "-f", file}).exit, ExitCode::kNotAsItShouldBe);
  EXPECT_TRUE(dry_run);
}

TEST_F(CommandsTest, PruneAsksAndDeletesWhatTheManifestLeavesOut) {
  one_.AddVm(kUuid2, "old-1", v1::RUNNING);
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", "compute-1"));
  const RunResult asked = Run({"apply", "-f", file, "--prune"}, {true, "n\n"});
  EXPECT_EQ(asked.exit, ExitCode::kFailed);
  EXPECT_THAT(asked.err, HasSubstr("old-1 on compute-1"));
  EXPECT_THAT(one_.calls(), IsEmpty());
  EXPECT_EQ(Run({"apply", "-f", file, "--prune", "--yes"}).exit, ExitCode::kDone);
  EXPECT_THAT(one_.calls(), ElementsAre(absl::StrCat("NodeService.PushState web-1 -", kUuid2)));
}

TEST_F(CommandsTest, VmApplyRefusesSecrets) {
  const std::string file = dir_.Write(
      "m.yaml", absl::StrCat("secrets:\n- entity: client.cinder\n  key_source: {keyring_file: ",
                             Keyring(dir_), "}\n"));
  EXPECT_THAT(Run({"vm", "apply", "-f", file}).err, HasSubstr("agentctl apply"));
}

TEST_F(CommandsTest, RenderOfflineAsksNoAgent) {
  one_.Stop();
  two_.Stop();
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", "compute-1"));
  const RunResult result = Run({"vm", "render", "-f", file, "--offline", "--monitor",
                                "172.18.22.234:6789", "--secret-uuid", kUuid2});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("172.18.22.234"), HasSubstr("port=\"6789\""),
                                HasSubstr(kUuid2), HasSubstr("username=\"cinder\"")));
}

TEST_F(CommandsTest, RenderOfflineNeedsMonitors) {
  const std::string file = dir_.Write("m.yaml", "vms:\n" + VmYaml(kUuid1, "web-1", "compute-1"));
  EXPECT_THAT(Run({"vm", "render", "-f", file, "--offline"}).err, HasSubstr("--monitor"));
  EXPECT_THAT(Run({"vm", "render", "-f", file, "--offline", "--monitor", "h:99999"}).err,
              HasSubstr("h:99999"));
}

TEST_F(CommandsTest, OperationWatchFollowsToTheEndAndFailsWithIt) {
  one_.on_watch = [](grpc::ServerContext*, grpc::ServerWriter<v1::Operation>* writer) {
    v1::Operation operation;
    operation.set_id("op-1");
    operation.set_state(v1::Operation::RUNNING);
    writer->Write(operation);
    operation.set_state(v1::Operation::FAILED);
    operation.mutable_error()->set_code(3);
    operation.mutable_error()->set_message("the digest differs");
    google::rpc::ErrorInfo info;
    info.set_reason("DIGEST_MISMATCH");
    info.set_domain("hvagent");
    operation.mutable_error()->add_details()->PackFrom(info);
    writer->Write(operation);
    return grpc::Status::OK;
  };
  const RunResult result = Run({"operation", "watch", "op-1"});
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.out, HasSubstr("FAILED"));
  EXPECT_THAT(result.err, HasSubstr("the digest differs"));
  for (const char* format : {"json", "yaml"}) {
    EXPECT_THAT(Run({"operation", "watch", "op-1", "-o", format}).out,
                HasSubstr("DIGEST_MISMATCH"));
  }
  EXPECT_THAT(Run({"operation", "watch", "op-1", "-o", "json"}).err, HasSubstr("DIGEST_MISMATCH"));
}

TEST_F(CommandsTest, OperationWatchThatTimesOutSaysThatItGoesOnThere) {
  one_.on_watch = [](grpc::ServerContext* context, grpc::ServerWriter<v1::Operation>* writer) {
    v1::Operation operation;
    operation.set_id("op-1");
    operation.set_state(v1::Operation::RUNNING);
    while (!context->IsCancelled() && writer->Write(operation)) {
    }
    return grpc::Status::CANCELLED;
  };
  const RunResult result = Run({"operation", "watch", "op-1", "--timeout", "1s"});
  EXPECT_EQ(result.exit, ExitCode::kGoesOnThere);
  EXPECT_THAT(result.err, HasSubstr("goes on there"));
}

}  // namespace
}  // namespace hvagent::agentctl
