#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const char kVm[] = "65bd684f-0414-4b58-9924-af681091be09";
const char kOther[] = "65bd684f-0414-4b58-9924-af681091be10";
const char kRemoved[] =
    "StorageService.RemoveLeftover vms/65bd684f-0414-4b58-9924-af681091be09_disk";

// An old root disk, made by compute-2.
v1::Leftover Disk(const std::string& vm) {
  v1::Leftover disk;
  disk.set_kind(v1::Leftover::VM_DISK);
  disk.set_pool("vms");
  disk.set_name(vm + "_disk");
  disk.set_owner(vm);
  disk.set_node("compute-2");
  disk.mutable_create_time()->set_seconds(absl::ToUnixSeconds(absl::Now() - absl::Hours(5)));
  return disk;
}

class StorageDoctorTest : public ::testing::Test {
 protected:
  RunResult Run(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"node", "doctor", "--storage"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunAgentctl({&one_, &two_}, arguments);
  }
  // Any node may be asked what lies in the pools, and all see the same.
  void SetLeftovers(const std::vector<v1::Leftover>& leftovers) {
    one_.leftovers = leftovers;
    two_.leftovers = leftovers;
  }
  std::vector<std::string> Calls() const {
    std::vector<std::string> calls = one_.calls();
    for (const std::string& call : two_.calls()) calls.push_back(call);
    return calls;
  }
  // That nothing is called an orphan, and nothing removed.
  void ExpectUnknown(const std::string& reason) {
    const RunResult result = Run({"--clean", "--yes"});
    EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
    EXPECT_THAT(result.out, AllOf(HasSubstr("UNKNOWN"), HasSubstr(reason)));
    EXPECT_THAT(Calls(), Not(Contains(StartsWith("StorageService.Remove"))));
  }

  FakeAgent one_{"compute-1"};
  FakeAgent two_{"compute-2"};
};

TEST_F(StorageDoctorTest, DiskThatAnotherNodeKnowsIsNotMentioned) {
  SetLeftovers({Disk(kVm)});
  two_.owners = {kVm};
  const RunResult result = Run({"--clean", "--yes", "-o", "name"});
  EXPECT_EQ(result.exit, ExitCode::kDone);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(Calls(), Not(Contains(StartsWith("StorageService.Remove"))));
}

TEST_F(StorageDoctorTest, DiskThatNoNodeKnowsIsAnOrphanAndRemovedOnlyWhenAsked) {
  SetLeftovers({Disk(kOther), Disk(kVm)});
  two_.owners = {kOther};
  RunResult result = Run();
  EXPECT_EQ(result.exit, ExitCode::kNotAsItShouldBe);
  EXPECT_THAT(result.out, AllOf(HasSubstr("ORPHAN"), HasSubstr(kVm), Not(HasSubstr(kOther))));
  EXPECT_EQ(Run({"--clean", "--dry-run"}).exit, ExitCode::kNotAsItShouldBe);
  EXPECT_EQ(Run({"--clean"}).exit, ExitCode::kUsage) << "without --yes or a terminal";
  EXPECT_THAT(Calls(), Not(Contains(kRemoved)));
  result = Run({"--clean", "--yes"});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(result.out, HasSubstr("REMOVED"));
  EXPECT_THAT(Calls(), Contains(kRemoved));
}

TEST_F(StorageDoctorTest, WhileANodeIsSilentNothingIsAnOrphan) {
  SetLeftovers({Disk(kVm)});
  two_.Stop();
  ExpectUnknown("no answer from compute-2");
}

TEST_F(StorageDoctorTest, DiskOfANodeThatIsNotAskedIsNoOrphan) {
  v1::Leftover disk = Disk(kVm);
  disk.set_node("compute-3");
  SetLeftovers({disk});
  ExpectUnknown("made by compute-3");
}

TEST_F(StorageDoctorTest, DiskThatDoesNotSayWhoMadeItIsNoOrphan) {
  v1::Leftover disk = Disk(kVm);
  disk.clear_node();
  SetLeftovers({disk});
  ExpectUnknown("does not say");
}

TEST_F(StorageDoctorTest, WhatIsOpenIsNoOrphan) {
  v1::Leftover disk = Disk(kVm);
  disk.add_watchers("10.0.0.1:0/7");
  SetLeftovers({disk});
  ExpectUnknown("open by 10.0.0.1:0/7");
}

TEST_F(StorageDoctorTest, WhatWasMadeJustNowIsNoOrphan) {
  v1::Leftover staged = Disk(kVm);
  staged.set_kind(v1::Leftover::STAGED_IMAGE);
  staged.mutable_create_time()->set_seconds(absl::ToUnixSeconds(absl::Now()));
  SetLeftovers({staged});
  ExpectUnknown("ago");
}

TEST_F(StorageDoctorTest, AsksAllNodesWhateverNodeSays) {
  SetLeftovers({Disk(kVm)});
  two_.owners = {kVm};
  EXPECT_THAT(Run({"--node", "compute-1", "-o", "name"}).out, IsEmpty());
}

}  // namespace
}  // namespace hvagent::agentctl
