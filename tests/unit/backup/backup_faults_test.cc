// Whichever call to Ceph fails, with or without having had its effect: the job called again comes
// to the same end, and what is left is whole.
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/backup_fixture.h"

namespace hvagent::backup {
namespace {

using Effect = block::MemoryBlockStore::Effect;
using ::hvagent::testing::BackupFixture;
using ::hvagent::testing::BackupWorld;
using ::hvagent::testing::FaultyObjectStore;
using ::hvagent::testing::kTarget;
using ::hvagent::testing::kVolume;
using ::hvagent::testing::VolumeImage;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

// Small, since there are hundreds of them.
constexpr Bytes kDisk = MiB(2);

// Prepares a world, begins a job in it, and says what must be so once that has come to its end.
struct Story {
  std::function<BackupWorld::Job(BackupFixture&)> begin;
  std::function<void(BackupFixture&, const BackupWorld::Job&)> check;
};

// Each call of the story's job fails once, of the block store's with `CEPH_TIMEOUT` and of the
// object store's with `CEPH_UNAVAILABLE`.
template <typename Store>
void CutOffEachCall(const Story& story, const absl::Status& failure,
                    Store& (*store_of)(BackupFixture&), absl::string_view store_name) {
  for (const Effect effect : {Effect::kNone, Effect::kDone}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(
          absl::StrCat(store_name, " call ", nth, effect == Effect::kDone ? ", done" : ""));
      BackupFixture fixture(kDisk);
      const BackupWorld::Job job = story.begin(fixture);
      Store& store = store_of(fixture);
      store.FailNth(nth, failure, effect);
      auto result = fixture.world.Run(job);
      const bool all_were_tried = store.FailurePending();
      store.FailNth(0, absl::OkStatus(), effect);
      if (!result.ok()) result = fixture.world.Run(job);
      ASSERT_OK(result);
      story.check(fixture, job);
      if (::testing::Test::HasFailure()) return;
      if (all_were_tried) break;
    }
  }
}

void CutOffEverywhere(const Story& story) {
  CutOffEachCall<block::MemoryBlockStore>(
      story, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "no answer"),
      [](BackupFixture& fixture) -> block::MemoryBlockStore& { return fixture.block; }, "block");
  CutOffEachCall<FaultyObjectStore>(
      story, Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "away"),
      [](BackupFixture& fixture) -> FaultyObjectStore& { return fixture.faulty_objects; },
      "object");
}

// What backups leave in their pool besides images: for each that is there its record and its one
// part, for each base its writer, and the index.
void ExpectNothingElse(BackupFixture& fixture) {
  const auto backups = fixture.world.catalog.ListOf(VolumeImage().ToString());
  ASSERT_OK(backups);
  std::vector<std::string> expected = {"hvagent.backups"};
  for (const v1::Backup& backup : *backups) {
    expected.push_back(absl::StrCat("hvagent.backup.", backup.id()));
    expected.push_back(absl::StrCat("hvagent.backup.", backup.id(), ".0"));
  }
  for (const std::string& base : fixture.Bases()) {
    expected.push_back(absl::StrCat("hvagent.backup-writer.", base));
  }
  ASSERT_THAT(fixture.objects.List("backups"), UnorderedElementsAreArray(expected));
}

void ExpectWhole(BackupFixture& fixture, const std::string& backup, const std::string& content) {
  ASSERT_OK(fixture.world.Verify(backup));
  ASSERT_OK(fixture.world.Restore(backup, kTarget, /*in_place=*/false));
  ASSERT_EQ(fixture.Content(kTarget), content);
}

TEST(BackupFaultsTest, AFullBackupThatWasCutOffIsGoneOnWith) {
  CutOffEverywhere(
      {[](BackupFixture& fixture) { return fixture.world.BeginCreate(kVolume, false); },
       [](BackupFixture& fixture, const BackupWorld::Job& job) {
         ASSERT_THAT(fixture.Bases(), SizeIs(1));
         ASSERT_THAT(fixture.SnapshotsOf(VolumeImage()), SizeIs(1));
         ExpectNothingElse(fixture);
         ExpectWhole(fixture, job->id(), fixture.Content());
       }});
}

TEST(BackupFaultsTest, AnIncrementThatWasCutOffIsGoneOnWith) {
  CutOffEverywhere({[](BackupFixture& fixture) {
                      EXPECT_OK(fixture.world.Create(kVolume, false));
                      fixture.Write(1000, std::string(9000, 'i'));
                      return fixture.world.BeginCreate(kVolume, true);
                    },
                    [](BackupFixture& fixture, const BackupWorld::Job& job) {
                      ASSERT_THAT(fixture.Bases(), SizeIs(1));
                      ASSERT_THAT(fixture.SnapshotsOf(VolumeImage()), SizeIs(1));
                      ExpectNothingElse(fixture);
                      ExpectWhole(fixture, job->id(), fixture.Content());
                    }});
}

// Another job of the same disk comes between the cut and the going on.
TEST(BackupFaultsTest, AnIncrementThatWasOvertakenIsStillRight) {
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    BackupFixture fixture(kDisk);
    ASSERT_OK(fixture.world.Create(kVolume, false));
    fixture.Write(1000, std::string(9000, 'i'));
    const auto job = fixture.world.BeginCreate(kVolume, true);
    fixture.block.FailNth(nth,
                          Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "no answer"));
    const auto cut_off = fixture.world.Run(job);
    if (fixture.block.FailurePending()) break;
    fixture.Write(3000, std::string(50, 'j'));
    const std::string between = fixture.Content();
    const auto other = fixture.world.Create(kVolume, true);
    ASSERT_OK(other);
    fixture.Write(2000, std::string(20000, 'k'));
    const auto result = fixture.world.Run(job);
    ASSERT_OK(result);
    ExpectWhole(fixture, other->id(), between);
    ASSERT_OK(fixture.world.Verify(job->id()));
    // And what follows them both.
    const auto last = fixture.world.Create(kVolume, true);
    ASSERT_OK(last);
    ASSERT_OK(fixture.block.RemoveImage(VolumeImage(kTarget)));
    ExpectWhole(fixture, last->id(), fixture.Content());
  }
}

// The other job is cut off too, wherever, and the first goes on with a base that is neither's.
TEST(BackupFaultsTest, AnIncrementThatWasOvertakenByOneThatWasCutOffIsStillRight) {
  const absl::Status timeout =
      Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "no answer");
  bool first_ends = false;
  for (int nth = 1; !first_ends; ++nth) {
    bool other_ends = false;
    for (int other_nth = 1; !other_ends && !first_ends; ++other_nth) {
      SCOPED_TRACE(absl::StrCat(nth, " and ", other_nth));
      BackupFixture fixture(kDisk);
      ASSERT_OK(fixture.world.Create(kVolume, false));
      fixture.Write(1000, std::string(9000, 'i'));
      const auto job = fixture.world.BeginCreate(kVolume, true);
      fixture.block.FailNth(nth, timeout);
      first_ends = fixture.world.Run(job).ok();
      fixture.block.FailNth(0, absl::OkStatus());
      fixture.Write(3000, std::string(50, 'j'));
      const auto other = fixture.world.BeginCreate(kVolume, true);
      fixture.block.FailNth(other_nth, timeout);
      other_ends = fixture.world.Run(other).ok();
      fixture.block.FailNth(0, absl::OkStatus());
      ASSERT_OK(fixture.world.Run(job));
      ASSERT_OK(fixture.world.Verify(job->id()));
      ASSERT_OK(fixture.world.Run(other));
      ASSERT_OK(fixture.world.Verify(other->id()));
      const auto last = fixture.world.Create(kVolume, true);
      ASSERT_OK(last);
      ExpectWhole(fixture, last->id(), fixture.Content());
    }
  }
}

TEST(BackupFaultsTest, ARestoreThatWasCutOffIsGoneOnWith) {
  for (const bool in_place : {false, true}) {
    std::string content;
    CutOffEverywhere(
        {[&](BackupFixture& fixture) {
           const auto backup = fixture.world.Create(kVolume, false);
           EXPECT_OK(backup);
           content = fixture.Content();
           fixture.Write(500, std::string(70000, 'z'));
           return fixture.world.BeginRestore(backup->id(), in_place ? kVolume : kTarget, in_place);
         },
         [&](BackupFixture& fixture, const BackupWorld::Job&) {
           ASSERT_EQ(fixture.Content(in_place ? kVolume : kTarget), content);
           ASSERT_THAT(*fixture.block.ListImages("volumes", "", 10), SizeIs(in_place ? 1 : 2));
           ExpectNothingElse(fixture);
         }});
  }
}

TEST(BackupFaultsTest, AVerificationThatWasCutOffIsGoneOnWith) {
  CutOffEverywhere(
      {[](BackupFixture& fixture) {
         EXPECT_OK(fixture.world.Create(kVolume, false));
         fixture.Write(1000, std::string(9000, 'i'));
         const auto backup = fixture.world.Create(kVolume, true);
         EXPECT_OK(backup);
         return fixture.world.BeginVerify(backup->id());
       },
       [](BackupFixture& fixture, const BackupWorld::Job&) { ExpectNothingElse(fixture); }});
}

TEST(BackupFaultsTest, ADeletionThatWasCutOffIsGoneOnWith) {
  std::string newest, content;
  CutOffEverywhere({[&](BackupFixture& fixture) {
                      EXPECT_OK(fixture.world.Create(kVolume, false));
                      fixture.Write(1000, std::string(9000, 'i'));
                      EXPECT_OK(fixture.world.Create(kVolume, true));
                      fixture.Write(5000, std::string(9000, 'j'));
                      const auto backup = fixture.world.Create(kVolume, true);
                      EXPECT_OK(backup);
                      newest = backup->id();
                      content = fixture.Content();
                      return fixture.world.BeginPrune(kVolume, 1);
                    },
                    [&](BackupFixture& fixture, const BackupWorld::Job&) {
                      const auto left = fixture.world.catalog.ListOf(VolumeImage().ToString());
                      ASSERT_OK(left);
                      ASSERT_THAT(*left, SizeIs(1));
                      ASSERT_THAT(fixture.SnapshotsOf({"backups", "", left->front().base()}),
                                  ElementsAre(left->front().snapshot()));
                      ExpectNothingElse(fixture);
                      ExpectWhole(fixture, newest, content);
                    }});
}

}  // namespace
}  // namespace hvagent::backup
