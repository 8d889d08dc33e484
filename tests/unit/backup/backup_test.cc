// What backups come to, on the memory backends. Random histories are tests/contract/backup's part.
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/backup/backup_create.h"
#include "agent/backup/backup_restore.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/backup_fixture.h"

namespace hvagent::backup {
namespace {

using ::hvagent::testing::BackupFixture;
using ::hvagent::testing::Fails;
using ::hvagent::testing::kTarget;
using ::hvagent::testing::kVolume;
using ::hvagent::testing::VolumeDisk;
using ::hvagent::testing::VolumeImage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;

class BackupTest : public ::testing::Test, protected BackupFixture {};

TEST_F(BackupTest, FullBackupHasCindersNamesAndASnapshotOnBothSides) {
  const auto backup = world.Create(kVolume, /*incremental=*/false);
  ASSERT_OK(backup);
  EXPECT_THAT(Bases(), ElementsAre(absl::StrCat("volume-", kVolume, ".backup.", backup->id())));
  EXPECT_THAT(backup->snapshot(),
              MatchesRegex(absl::StrCat("backup.", backup->id(), ".snap.[0-9]+")));
  EXPECT_THAT(SnapshotsOf(VolumeImage()), ElementsAre(backup->snapshot()));
  EXPECT_THAT(SnapshotsOf({"backups", "", backup->base()}), ElementsAre(backup->snapshot()));
  EXPECT_EQ(backup->data_bytes(), 1u << 20);
  EXPECT_EQ(world.catalog.Get(backup->id())->base(), backup->base());
}

TEST_F(BackupTest, OnlyTheNewestSnapshotStaysOnTheSource) {
  ASSERT_OK(world.Create(kVolume, false));
  ASSERT_OK(world.Create(kVolume, true));
  const auto newest = world.Create(kVolume, false);
  ASSERT_OK(newest);
  EXPECT_THAT(SnapshotsOf(VolumeImage()), ElementsAre(newest->snapshot()));
}

TEST_F(BackupTest, IncrementalBackupReadsAndWritesWhatChanged) {
  ASSERT_OK(world.Create(kVolume, false));
  Write(MiB(5).count(), std::string(40960, 'b'));
  const auto before = block.traffic();
  const auto backup = world.Create(kVolume, true);
  ASSERT_OK(backup);
  const auto after = block.traffic();
  EXPECT_LE(after.read_bytes - before.read_bytes, 40960 * 1.1);
  EXPECT_LE(after.written_bytes - before.written_bytes, 40960 * 1.1);
  EXPECT_EQ(backup->data_bytes(), 40960);
}

TEST_F(BackupTest, RestoreInPlaceWritesWhatDiffers) {
  Write(MiB(4).count(), std::string(MiB(8).count(), 'x'));
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  const std::string content = Content();
  Write(MiB(6).count(), std::string(40960, 'b'));
  Write(MiB(13).count(), std::string(4096, 'c'));
  const auto before = block.traffic();
  ASSERT_OK(world.Restore(backup->id(), kVolume, /*in_place=*/true));
  EXPECT_LE(block.traffic().written_bytes - before.written_bytes, 40960 * 1.1);
  EXPECT_EQ(Content(), content);
}

TEST_F(BackupTest, RestoreInPlaceKeepsALargerSizeWithZerosBehind) {
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  std::string content = Content();
  ASSERT_OK(block.AmendImage(VolumeImage(), {MiB(24), {}}));
  Write(MiB(20).count(), "later");
  ASSERT_OK(world.Restore(backup->id(), kVolume, /*in_place=*/true));
  content.resize(MiB(24).count());
  EXPECT_EQ(Content(), content);
}

TEST_F(BackupTest, RestoredVolumeIsAnAgentsAndSaysFromWhat) {
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  ASSERT_OK(world.Restore(backup->id(), kTarget, /*in_place=*/false));
  const auto volume = world.volumes.Get(*Uuid::Parse(kTarget));
  ASSERT_OK(volume);
  EXPECT_EQ(volume->made_from(), absl::StrCat("backup/", backup->id()));
  EXPECT_EQ(volume->object_size_bytes(), MiB(4).count());
}

TEST_F(BackupTest, RestoreOntoADiskInUseIsRefused) {
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  block.AddWatcher(VolumeImage(), "10.0.0.7:0/1");
  const std::string content = Content();
  EXPECT_THAT(world.Restore(backup->id(), kVolume, true),
              Fails(kFailedPrecondition, "IMAGE_IN_USE"));
  EXPECT_EQ(Content(), content);
}

TEST_F(BackupTest, RestoreToAVolumeThatExistsIsRefused) {
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  EXPECT_THAT(world.Restore(backup->id(), kVolume, false),
              Fails(absl::StatusCode::kAlreadyExists, "VOLUME_EXISTS"));
}

TEST_F(BackupTest, VerifyFindsADamagedByte) {
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  ASSERT_OK(world.Verify(backup->id()));
  // A base whose snapshot holds something else.
  const block::ImageName base{"backups", "", backup->base()};
  ASSERT_OK(block.RemoveSnapshot({base, backup->snapshot()}));
  auto writer = block.OpenWriter(base);
  ASSERT_OK(writer);
  ASSERT_OK((*writer)->Write(1000, "!"));
  ASSERT_OK((*writer)->CreateSnapshot(backup->snapshot()));
  ASSERT_OK((*writer)->Finish());
  EXPECT_THAT(world.Verify(backup->id()), Fails(absl::StatusCode::kDataLoss, "BACKUP_CORRUPT"));
  EXPECT_THAT(world.Restore(backup->id(), kTarget, false),
              Fails(absl::StatusCode::kDataLoss, "BACKUP_CORRUPT"));
  EXPECT_THAT(block.GetImage(VolumeImage(kTarget)),
              Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_F(BackupTest, VerifyFindsDataWhereThereWasNone) {
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  const block::ImageName base{"backups", "", backup->base()};
  ASSERT_OK(block.RemoveSnapshot({base, backup->snapshot()}));
  auto writer = block.OpenWriter(base);
  ASSERT_OK(writer);
  ASSERT_OK((*writer)->Write(MiB(10).count(), "!"));
  ASSERT_OK((*writer)->CreateSnapshot(backup->snapshot()));
  ASSERT_OK((*writer)->Finish());
  EXPECT_THAT(world.Verify(backup->id()), Fails(absl::StatusCode::kDataLoss, "BACKUP_CORRUPT"));
}

TEST_F(BackupTest, IncrementalWithoutABackupOffersAFullOne) {
  const auto refused = world.Create(kVolume, true);
  EXPECT_THAT(refused, Fails(kFailedPrecondition, "NO_BACKUP"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("make a full backup"));
  EXPECT_THAT(SnapshotsOf(VolumeImage()), IsEmpty());
}

TEST_F(BackupTest, ABaseRemovedByHandIsSaidAndAFullBackupIsOffered) {
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  const block::ImageName base{"backups", "", backup->base()};
  ASSERT_OK(block.RemoveSnapshot({base, backup->snapshot()}));
  ASSERT_OK(block.RemoveImage(base));
  const auto refused = world.Create(kVolume, true);
  EXPECT_THAT(refused, Fails(kFailedPrecondition, "BACKUP_BASE_MISSING"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("make a full backup"));
  EXPECT_THAT(world.Verify(backup->id()), Fails(kFailedPrecondition, "BACKUP_BASE_MISSING"));
  ASSERT_OK(world.Create(kVolume, false));
  ASSERT_OK(world.Delete(backup->id()));
}

TEST_F(BackupTest, ASourceSnapshotRemovedByHandIsSaid) {
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  ASSERT_OK(block.RemoveSnapshot({VolumeImage(), backup->snapshot()}));
  EXPECT_THAT(world.Create(kVolume, true), Fails(kFailedPrecondition, "BACKUP_SNAPSHOT_MISSING"));
}

TEST_F(BackupTest, ADiskThatShrankNeedsAFullOne) {
  ASSERT_OK(world.Create(kVolume, false));
  auto writer = block.OpenWriter(VolumeImage());
  ASSERT_OK(writer);
  ASSERT_OK((*writer)->Resize(MiB(8)));
  ASSERT_OK((*writer)->Finish());
  EXPECT_THAT(world.Create(kVolume, true), Fails(kFailedPrecondition, "DISK_SHRANK"));
  ASSERT_OK(world.Create(kVolume, false));
}

TEST_F(BackupTest, WithoutAPoolNothingIsMade) {
  BackupRoom room = world.room;
  BackupCatalog nowhere(objects, "no-such-pool");
  const BackupRoom elsewhere{.block = block,
                             .catalog = nowhere,
                             .pools = {"volumes", "vms", "no-such-pool"},
                             .clock = room.clock,
                             .sources = room.sources};
  v1::CreateBackupRequest request;
  *request.mutable_source() = VolumeDisk(kVolume);
  EXPECT_THAT(PlanBackup(elsewhere, request), Fails(absl::StatusCode::kNotFound, "POOL_NOT_FOUND"));
}

TEST_F(BackupTest, AFullPoolLeavesNothingHalfMade) {
  int failures = 0;
  for (int nth = 1;; ++nth) {
    block.FailNth(nth, Error(absl::StatusCode::kResourceExhausted, "POOL_FULL", "full"));
    const auto result = world.Run(world.BeginCreate(kVolume, false));
    if (block.FailurePending()) {
      EXPECT_OK(result);
      break;
    }
    if (result.ok()) continue;  // it failed where only tidying was left
    ++failures;
    EXPECT_THAT(result, Fails(absl::StatusCode::kResourceExhausted, "POOL_FULL")) << nth;
    if (world.catalog.ListOf(VolumeImage().ToString())->empty()) {
      EXPECT_THAT(Bases(), IsEmpty()) << nth;
      EXPECT_THAT(SnapshotsOf(VolumeImage()), IsEmpty()) << nth;
    }
  }
  EXPECT_GT(failures, 5);
}

TEST_F(BackupTest, ACancelledBackupLeavesNothing) {
  const auto job = world.BeginCreate(kVolume, false);
  ASSERT_OK(world.table().Cancel(job->id()));
  EXPECT_EQ(world.Run(job).status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(Bases(), IsEmpty());
  EXPECT_THAT(SnapshotsOf(VolumeImage()), IsEmpty());
}

TEST_F(BackupTest, ACancelledIncrementLeavesTheBaseAsItWas) {
  const auto full = world.Create(kVolume, false);
  ASSERT_OK(full);
  Write(0, std::string(8192, 'n'));
  const block::ImageName base{"backups", "", full->base()};
  const absl::Status away = Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "away");
  // Ceph goes away in each call, as in the one that writes the data, and the user cancels
  // meanwhile.
  int cancelled = 0;
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    const auto job = world.BeginCreate(kVolume, true);
    block.FailNth(nth, away);
    ASSERT_EQ(world.Run(job).status(), away);
    ASSERT_OK(world.table().Cancel(job->id()));
    const absl::Status ended = world.Run(job).status();
    if (ended.ok()) break;  // it was made, and only tidying was left
    ++cancelled;
    EXPECT_EQ(ended.code(), absl::StatusCode::kCancelled);
    EXPECT_THAT(SnapshotsOf(base), ElementsAre(full->snapshot()));
    EXPECT_THAT(SnapshotsOf(VolumeImage()), ElementsAre(full->snapshot()));
    auto head = block.OpenReader(base, "");
    ASSERT_OK(head);
    EXPECT_THAT(*(*head)->Diff(full->snapshot(), 0, MiB(16).count()), IsEmpty());
    ASSERT_OK(world.Verify(full->id()));
  }
  EXPECT_GT(cancelled, 8);
}

TEST_F(BackupTest, PruningKeepsTheNewestWhole) {
  std::string newest;
  ASSERT_OK(world.Create(kVolume, false));
  for (int i = 0; i < 4; ++i) {
    Write(i * 100000, std::string(5000, static_cast<char>('c' + i)));
    const auto backup = world.Create(kVolume, true);
    ASSERT_OK(backup);
    newest = backup->id();
  }
  const std::string content = Content();
  ASSERT_OK(world.Run(world.BeginPrune(kVolume, 1)));
  const auto left = world.catalog.ListOf(VolumeImage().ToString());
  ASSERT_OK(left);
  ASSERT_THAT(*left, SizeIs(1));
  EXPECT_EQ(left->front().id(), newest);
  EXPECT_EQ(left->front().parent_id(), "");
  EXPECT_THAT(SnapshotsOf({"backups", "", left->front().base()}),
              ElementsAre(left->front().snapshot()));
  ASSERT_OK(world.Verify(newest));
  ASSERT_OK(world.Restore(newest, kTarget, false));
  EXPECT_EQ(Content(kTarget), content);
  ASSERT_OK(world.Create(kVolume, true));
}

TEST_F(BackupTest, DeletingAllLeavesOnlyAnEmptyIndex) {
  const auto full = world.Create(kVolume, false);
  const auto next = world.Create(kVolume, true);
  ASSERT_OK(full);
  ASSERT_OK(next);
  ASSERT_OK(world.Delete(next->id()));
  ASSERT_OK(world.Delete(full->id()));
  EXPECT_THAT(Bases(), IsEmpty());
  EXPECT_THAT(SnapshotsOf(VolumeImage()), IsEmpty());
  EXPECT_THAT(objects.List("backups"), ElementsAre("hvagent.backups"));
}

TEST_F(BackupTest, AVmsRootDiskIsBackedUpUnderItsOwnName) {
  const std::string vm = kTarget;
  ASSERT_OK(block.CreateImage({"vms", "", vm + "_disk"}, MiB(8), MiB(8)));
  v1::CreateBackupRequest request;
  request.mutable_source()->set_vm_uuid(vm);
  const auto planned = PlanBackup(world.room, request);
  ASSERT_OK(planned);
  EXPECT_EQ(planned->source_image(), absl::StrCat("vms/", vm, "_disk"));
}

TEST_F(BackupTest, AVmsDiskIsRestoredInPlaceOnly) {
  const auto backup = world.Create(kVolume, false);
  ASSERT_OK(backup);
  v1::RestoreBackupRequest request;
  request.set_id(backup->id());
  request.mutable_target()->set_vm_uuid(kTarget);
  EXPECT_THAT(CheckRestore(world.room, request),
              Fails(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
}

}  // namespace
}  // namespace hvagent::backup
