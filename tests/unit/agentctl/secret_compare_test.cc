#include "agentctl/secret_compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const char kUuid[] = "65bd684f-0414-4b58-9924-af681091be09";
const char kOther[] = "65bd684f-0414-4b58-9924-af681091be10";

// A secret that is in order.
v1::SecretReport Report(const std::string& entity = "client.cinder") {
  v1::SecretReport report;
  report.mutable_secret()->set_entity(entity);
  report.mutable_secret()->set_uuid(kUuid);
  report.mutable_secret()->set_usage("client.cinder@fsid");
  report.mutable_secret()->set_has_value(true);
  report.set_fingerprint("aaaa");
  report.set_expected_fingerprint("aaaa");
  return report;
}

void AddFinding(v1::SecretReport& report, const std::string& reason) {
  report.add_findings()->set_reason(reason);
}

// Nodes compute-1, compute-2, ... with one report each, or none for nullopt.
std::vector<SecretCell> Compare(const std::vector<std::vector<v1::SecretReport>>& nodes) {
  std::vector<std::pair<std::string, v1::CheckSecretsResponse>> reports;
  for (const auto& node : nodes) {
    auto& [name, response] = reports.emplace_back();
    name = "compute-" + std::to_string(reports.size());
    for (const v1::SecretReport& report : node) *response.add_secrets() = report;
  }
  return CompareSecrets(reports);
}

// "compute-1: SECRET_MISSING SECRET_..." of each cell that has findings.
std::vector<std::string> Findings(const std::vector<SecretCell>& cells) {
  std::vector<std::string> all;
  for (const SecretCell& cell : cells) {
    if (cell.report.findings().empty()) continue;
    std::string& text = all.emplace_back(cell.node + ":");
    for (const auto& finding : cell.report.findings()) text += " " + finding.reason();
  }
  return all;
}

TEST(SecretCompareTest, SameEverywhereIsAllRight) {
  const auto cells = Compare({{Report()}, {Report()}, {Report()}});
  EXPECT_THAT(cells, SizeIs(3));
  EXPECT_THAT(Findings(cells), IsEmpty());
}

TEST(SecretCompareTest, RowsGoByEntityThenByNode) {
  const auto cells =
      Compare({{Report("client.b"), Report("client.a")}, {Report("client.a"), Report("client.b")}});
  std::vector<std::string> order;
  for (const SecretCell& cell : cells) order.push_back(cell.entity + " " + cell.node);
  EXPECT_THAT(order, ElementsAre("client.a compute-1", "client.a compute-2", "client.b compute-1",
                                 "client.b compute-2"));
}

TEST(SecretCompareTest, EntityThatOthersKeepIsMissing) {
  const auto cells = Compare({{Report()}, {}});
  EXPECT_THAT(Findings(cells), ElementsAre("compute-2: SECRET_MISSING"));
  EXPECT_EQ(cells[1].report.secret().entity(), "client.cinder");
}

TEST(SecretCompareTest, MinorityIsWhatDiffers) {
  v1::SecretReport other = Report();
  other.mutable_secret()->set_uuid(kOther);
  other.mutable_secret()->set_usage("mine");
  other.set_fingerprint("bbbb");
  EXPECT_THAT(Findings(Compare({{Report()}, {other}, {Report()}})),
              ElementsAre("compute-2: SECRET_VALUE_DIFFERS SECRET_UUID_DIFFERS "
                          "SECRET_USAGE_DIFFERS"));
}

TEST(SecretCompareTest, WithoutAMajorityAllThatDifferAreMarked) {
  v1::SecretReport other = Report();
  other.set_fingerprint("bbbb");
  const auto cells = Compare({{Report()}, {other}});
  EXPECT_THAT(Findings(cells),
              ElementsAre("compute-1: SECRET_VALUE_DIFFERS", "compute-2: SECRET_VALUE_DIFFERS"));
  EXPECT_THAT(cells[0].report.findings(0).message(),
              AllOf(HasSubstr("aaaa on compute-1"), HasSubstr("bbbb on compute-2")));
}

TEST(SecretCompareTest, ClusterIsRightAgainstTheMajority) {
  v1::SecretReport other = Report();
  other.mutable_secret()->set_uuid(kOther);
  other.set_claimed_uuid(kOther);
  EXPECT_THAT(Findings(Compare({{Report()}, {other}, {Report()}})),
              ElementsAre("compute-1: SECRET_UUID_DIFFERS", "compute-3: SECRET_UUID_DIFFERS"));
}

TEST(SecretCompareTest, KeyThatCephRefusesHasNoSay) {
  v1::SecretReport refused = Report();
  AddFinding(refused, "CEPH_KEY_REFUSED");
  v1::SecretReport fresh = Report();
  fresh.set_fingerprint("bbbb");
  EXPECT_THAT(Findings(Compare({{refused}, {refused}, {fresh}})),
              ElementsAre("compute-1: SECRET_VALUE_DIFFERS CEPH_KEY_REFUSED",
                          "compute-2: SECRET_VALUE_DIFFERS CEPH_KEY_REFUSED"));
}

TEST(SecretCompareTest, WhatTheAgentSaidIsNotSaidAgain) {
  v1::SecretReport other = Report();
  other.set_fingerprint("bbbb");
  AddFinding(other, "SECRET_VALUE_DIFFERS");
  EXPECT_THAT(Findings(Compare({{Report()}, {other}, {Report()}})),
              ElementsAre("compute-2: SECRET_VALUE_DIFFERS"));
}

TEST(SecretCompareTest, PrivateValueCountsAsWhatWasSynced) {
  v1::SecretReport closed = Report();
  closed.clear_fingerprint();
  EXPECT_THAT(Findings(Compare({{Report()}, {closed}})), IsEmpty());
  closed.set_expected_fingerprint("bbbb");
  EXPECT_THAT(Findings(Compare({{Report()}, {closed}, {Report()}})),
              ElementsAre("compute-2: SECRET_VALUE_DIFFERS"));
}

TEST(SecretCompareTest, SecretWithoutAValueHasNoKeyToCompare) {
  v1::SecretReport empty = Report();
  empty.mutable_secret()->set_has_value(false);
  empty.clear_fingerprint();
  AddFinding(empty, "SECRET_HAS_NO_VALUE");
  EXPECT_THAT(Findings(Compare({{Report()}, {empty}})),
              ElementsAre("compute-2: SECRET_HAS_NO_VALUE"));
}

TEST(SecretCompareTest, RotationThatStoppedHalfwayIsSeen) {
  v1::SecretReport rotated = Report();
  rotated.set_superseded_by("client.vm.g2");
  EXPECT_THAT(Findings(Compare({{Report()}, {rotated}, {Report()}})),
              ElementsAre("compute-2: SECRET_ROTATION_DIFFERS"));
}

// The failure that the guide ends with: an administrator's own secret with the usage.
TEST(SecretCompareTest, UsageUnderAnotherUuidThatNobodyKeepsIsInTheWay) {
  v1::SecretReport foreign = Report("");
  foreign.mutable_secret()->set_uuid(kOther);
  const auto cells = Compare({{Report()}, {foreign}});
  EXPECT_THAT(Findings(cells),
              ElementsAre("compute-2: SECRET_MISSING", "compute-2: SECRET_UUID_DIFFERS"));
  EXPECT_EQ(cells.back().entity, "client.cinder");
  EXPECT_THAT(cells.back().report.findings(0).message(), HasSubstr("--adopt"));
}

TEST(SecretCompareTest, UuidUnderAnotherUsageThatNobodyKeepsIsInTheWay) {
  v1::SecretReport foreign = Report("");
  foreign.mutable_secret()->set_usage("mine");
  EXPECT_THAT(Findings(Compare({{Report()}, {foreign}})),
              Contains("compute-2: SECRET_USAGE_DIFFERS"));
}

TEST(SecretCompareTest, SecretsOfOthersAreNoMismatch) {
  v1::SecretReport foreign = Report("");
  foreign.mutable_secret()->set_uuid(kOther);
  foreign.mutable_secret()->set_usage("backups");
  const auto cells = Compare({{Report(), foreign}, {Report()}});
  EXPECT_THAT(Findings(cells), IsEmpty());
  EXPECT_THAT(cells.back().entity, IsEmpty());
}

// --- The command ---

class SecretStatusTest : public ::testing::Test {
 protected:
  static void Answer(FakeAgent& agent, const std::vector<v1::SecretReport>& reports) {
    agent.on_check = [reports](const v1::CheckSecretsRequest&, v1::CheckSecretsResponse* response) {
      for (const v1::SecretReport& report : reports) *response->add_secrets() = report;
    };
  }
  RunResult Status(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"secret", "status"});
    return RunAgentctl({&one_, &two_}, std::move(arguments));
  }

  FakeAgent one_{"compute-1"};
  FakeAgent two_{"compute-2"};
};

TEST_F(SecretStatusTest, ShowsKeyGuestsAndProofOfEachCell) {
  v1::SecretReport report = Report();
  report.mutable_generation()->set_seconds(1786000000);
  report.add_running_vms()->set_name("web1");
  report.add_running_vms()->set_name("web2");
  report.add_outdated_vms()->set_name("web2");
  Answer(one_, {report});
  Answer(two_, {Report()});
  const RunResult result = Status();
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("2 (1 old key)"), HasSubstr("2026-08-06T07:06:40Z"),
                                HasSubstr("aaaa"), HasSubstr("never"), HasSubstr("OK"),
                                Not(HasSubstr("USAGE"))));
  EXPECT_THAT(one_.calls(), ElementsAre("SecretService.Check prove"));
  Status({"--no-prove"});
  EXPECT_THAT(one_.calls(), Contains("SecretService.Check "));
}

TEST_F(SecretStatusTest, MismatchIsExitFourEvenWhileANodeIsSilent) {
  v1::SecretReport wrong = Report();
  AddFinding(wrong, "SECRET_VALUE_DIFFERS");
  Answer(one_, {wrong});
  two_.Stop();
  const RunResult result = Status();
  EXPECT_EQ(result.exit, ExitCode::kNotAsItShouldBe);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("SECRET_VALUE_DIFFERS"), HasSubstr("compute-2   UNAVAIL")));
}

TEST_F(SecretStatusTest, SilentNodeAloneIsExitThree) {
  Answer(one_, {Report()});
  two_.Stop();
  EXPECT_EQ(Status().exit, ExitCode::kSomeFailed);
}

TEST_F(SecretStatusTest, EntityThatNobodyKeepsIsExitFour) {
  EXPECT_EQ(Status({"--entity", "client.x"}).exit, ExitCode::kNotAsItShouldBe);
  EXPECT_EQ(Status().exit, ExitCode::kDone);
}

TEST_F(SecretStatusTest, OthersSecretsAreForWideAndJson) {
  v1::SecretReport foreign = Report("");
  foreign.mutable_secret()->set_uuid(kOther);
  foreign.mutable_secret()->set_usage("backups");
  Answer(one_, {Report(), foreign});
  Answer(two_, {Report(), foreign});
  EXPECT_THAT(Status().out, Not(HasSubstr(kOther)));
  EXPECT_THAT(Status({"-o", "wide"}).out, AllOf(HasSubstr(kOther), HasSubstr("not kept")));
  EXPECT_THAT(Status({"-o", "json"}).out, AllOf(HasSubstr(kOther), HasSubstr("\"node\": ")));
  EXPECT_THAT(Status({"-o", "wide", "--entity", "client.cinder"}).out, Not(HasSubstr(kOther)));
  EXPECT_EQ(Status({"-o", "wide"}).exit, ExitCode::kDone);
}

}  // namespace
}  // namespace hvagent::agentctl
