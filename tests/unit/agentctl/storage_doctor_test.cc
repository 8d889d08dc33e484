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
const char kClient[] = "10.0.0.1:0/7";
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

google::protobuf::Timestamp InHours(int hours) {
  google::protobuf::Timestamp time;
  time.set_seconds(absl::ToUnixSeconds(absl::Now() + absl::Hours(hours)));
  return time;
}

v1::Leftover CloneSnapshot() {
  v1::Leftover snapshot;
  snapshot.set_kind(v1::Leftover::SNAPSHOT);
  snapshot.set_pool("volumes");
  snapshot.set_name("volume-1");
  snapshot.set_snapshot("volume-2.clone_snap");
  *snapshot.mutable_create_time() = InHours(-5);
  return snapshot;
}

v1::Leftover OpenVolume() {
  v1::Leftover volume;
  volume.set_kind(v1::Leftover::OPEN_IMAGE);
  volume.set_pool("volumes");
  volume.set_name("volume-1");
  volume.add_watchers(kClient);
  return volume;
}

v1::Leftover InTrash(const std::string& name, int kept_hours, bool has_clones) {
  v1::Leftover image;
  image.set_kind(v1::Leftover::TRASHED_IMAGE);
  image.set_pool("images");
  image.set_name(name);
  image.set_trash_id("id-" + name);
  *image.mutable_kept_until() = InHours(kept_hours);
  image.set_has_clones(has_clones);
  return image;
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
  ExpectUnknown("node compute-3, which made it, was not asked");
}

TEST_F(StorageDoctorTest, DiskThatDoesNotSayWhoMadeItIsNoOrphan) {
  v1::Leftover disk = Disk(kVm);
  disk.clear_node();
  SetLeftovers({disk});
  ExpectUnknown("does not say");
}

TEST_F(StorageDoctorTest, WhatIsOpenToAnAgentIsNoOrphan) {
  v1::Leftover disk = Disk(kVm);
  disk.add_watchers(kClient);
  SetLeftovers({disk});
  two_.own_watchers = {kClient};
  ExpectUnknown("open by 10.0.0.1:0/7");
}

TEST_F(StorageDoctorTest, StagedImageOfANodeThatIsNotAskedIsNoOrphan) {
  v1::Leftover staged = Disk(kVm);
  staged.set_kind(v1::Leftover::STAGED_IMAGE);
  staged.set_node("compute-3");
  SetLeftovers({staged});
  ExpectUnknown("node compute-3, which made it, was not asked");
}

TEST_F(StorageDoctorTest, SnapshotThatNobodyNeedsIsAnOrphanAndIsRemovedAlone) {
  SetLeftovers({CloneSnapshot()});
  RunResult result = Run();
  EXPECT_EQ(result.exit, ExitCode::kNotAsItShouldBe);
  EXPECT_THAT(result.out, AllOf(HasSubstr("ORPHAN"), HasSubstr("volume-1@volume-2.clone_snap"),
                                HasSubstr("no volume is cloned from it")));
  EXPECT_EQ(Run({"--clean", "--yes"}).exit, ExitCode::kDone);
  EXPECT_THAT(Calls(), Contains("StorageService.RemoveLeftover "
                                "volumes/volume-1@volume-2.clone_snap"));
}

TEST_F(StorageDoctorTest, SnapshotThatMayBeAnothersIsNoOrphan) {
  v1::Leftover snapshot = CloneSnapshot();
  snapshot.set_maybe_foreign(true);
  SetLeftovers({snapshot});
  ExpectUnknown("another program may have made it");
}

TEST_F(StorageDoctorTest, ClientThatNobodyKnowsIsNamedAndNeverCutOff) {
  SetLeftovers({OpenVolume()});
  const RunResult result = Run({"--clean", "--yes"});
  EXPECT_EQ(result.exit, ExitCode::kNotAsItShouldBe);
  EXPECT_THAT(result.out, AllOf(HasSubstr("STALE_WATCHER"), HasSubstr("open by 10.0.0.1:0/7"),
                                HasSubstr("ceph osd blocklist add 10.0.0.1:0/7")));
  EXPECT_THAT(Calls(), Not(Contains(StartsWith("StorageService.Remove"))));
}

TEST_F(StorageDoctorTest, DiskOfAKnownVmMayHaveAStaleWatcher) {
  v1::Leftover disk = Disk(kVm);
  disk.add_watchers(kClient);
  SetLeftovers({disk});
  two_.owners = {kVm};
  EXPECT_THAT(Run().out, HasSubstr("STALE_WATCHER"));
}

TEST_F(StorageDoctorTest, ClientsThatAreAgentsOrGuestsAreNotMentioned) {
  v1::Leftover volume = OpenVolume();
  volume.add_watchers("10.0.0.2:0/8");
  SetLeftovers({volume});
  one_.own_watchers = {"10.0.0.2:0/8"};
  two_.guests = {{"volumes/volume-1", 1}};
  const RunResult result = Run({"-o", "name"});
  EXPECT_EQ(result.exit, ExitCode::kDone);
  EXPECT_THAT(result.out, IsEmpty());
}

TEST_F(StorageDoctorTest, MoreClientsThanGuestsAreTooMany) {
  v1::Leftover volume = OpenVolume();
  volume.add_watchers("10.0.0.2:0/8");
  SetLeftovers({volume});
  two_.guests = {{"volumes/volume-1", 1}};
  EXPECT_THAT(Run().out, HasSubstr("open by 10.0.0.1:0/7, 10.0.0.2:0/8"));
}

TEST_F(StorageDoctorTest, WhileANodeIsSilentNoClientIsStale) {
  SetLeftovers({OpenVolume()});
  two_.Stop();
  ExpectUnknown("no answer from compute-2");
}

TEST_F(StorageDoctorTest, TrashIsPurgedWhenItsDelayIsOverAndNothingNeedsIt) {
  SetLeftovers({InTrash("due", -1, false), InTrash("needed", -1, true), InTrash("kept", 1, false)});
  // The cluster keeps the delay, so it does not matter who answers.
  two_.Stop();
  const RunResult result = Run({"--clean", "--yes"});
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("REMOVED"), HasSubstr("need it"), HasSubstr("kept until")));
  EXPECT_THAT(Calls(), Contains("StorageService.RemoveLeftover images/due in the trash: id-due"));
  EXPECT_THAT(Calls(), Not(Contains(HasSubstr("images/needed"))));
  EXPECT_THAT(Calls(), Not(Contains(HasSubstr("images/kept"))));
}

TEST_F(StorageDoctorTest, WhatWasMadeJustNowIsNoOrphan) {
  v1::Leftover staged = Disk(kVm);
  staged.set_kind(v1::Leftover::STAGED_IMAGE);
  staged.mutable_create_time()->set_seconds(absl::ToUnixSeconds(absl::Now()));
  SetLeftovers({staged});
  ExpectUnknown("made less than 1h00m ago");
  v1::Leftover older = Disk(kVm);
  *older.mutable_create_time() = InHours(-2);
  SetLeftovers({older});
  EXPECT_EQ(Run().exit, ExitCode::kNotAsItShouldBe);
  EXPECT_EQ(Run({"--older-than", "3h"}).exit, ExitCode::kDone);
}

TEST_F(StorageDoctorTest, AsksAllNodesWhateverNodeSays) {
  SetLeftovers({Disk(kVm)});
  two_.owners = {kVm};
  EXPECT_THAT(Run({"--node", "compute-1", "-o", "name"}).out, IsEmpty());
}

}  // namespace
}  // namespace hvagent::agentctl
