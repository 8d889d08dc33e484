#include "agent/operations/volume_catalog.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/block/memory_block_store.h"
#include "agent/operations/volume_names.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::operations {
namespace {

using ::hvagent::testing::Fails;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Uuid Id(char digit) {
  return *Uuid::Parse(absl::StrCat(std::string(8, digit), "-0414-4b58-9924-af681091be09"));
}

// Volumes here were made by another program: what the catalog does, it does to those too.
class VolumeCatalogTest : public ::testing::Test {
 protected:
  VolumeCatalogTest() {
    block_.CreatePool("volumes");
    block_.CreatePool("vms");
  }

  void AddVolume(char digit) {
    ASSERT_OK(block_.CreateImage(volumes_.NameOf(Id(digit)), GiB(2), MiB(4)));
  }
  std::vector<std::string> Ids(absl::string_view after, size_t limit) {
    std::vector<std::string> ids;
    const auto volumes = volumes_.List(after, limit);
    EXPECT_OK(volumes);
    for (const v1::Volume& volume : *volumes) ids.push_back(volume.id());
    return ids;
  }

  block::MemoryBlockStore block_{"", {}};
  VolumeCatalog volumes_{block_, "volumes"};
};

TEST_F(VolumeCatalogTest, ListsVolumesInFullPagesAndNothingElse) {
  for (const char digit : {'1', '2', '3'}) AddVolume(digit);
  for (const std::string& other :
       {VolumeName(Id('4')) + ".deleted", std::string("volume-x"), std::string("hvagent-create-1"),
        std::string("volume-AAAAAAAA-0414-4b58-9924-af681091be09"), std::string("zzz")}) {
    ASSERT_OK(block_.CreateImage({"volumes", "", other}, MiB(8), MiB(4)));
  }
  EXPECT_THAT(Ids("", 2), ElementsAre(Id('1').ToString(), Id('2').ToString()));
  EXPECT_THAT(Ids(Id('2').ToString(), 2), ElementsAre(Id('3').ToString()));
  EXPECT_THAT(Ids(Id('3').ToString(), 2), IsEmpty());
  EXPECT_EQ(ErrorField(volumes_.List("x", 2).status()), "page_token");
}

TEST_F(VolumeCatalogTest, MissingPoolAndMissingVolumeAreToldApart) {
  EXPECT_THAT(volumes_.Get(Id('1')), Fails(absl::StatusCode::kNotFound, "VOLUME_NOT_FOUND"));
  VolumeCatalog nowhere(block_, "no-such-pool");
  EXPECT_THAT(nowhere.Get(Id('1')), Fails(absl::StatusCode::kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(nowhere.List("", 1), Fails(absl::StatusCode::kNotFound, "POOL_NOT_FOUND"));
}

TEST_F(VolumeCatalogTest, GrowsAndNeverShrinks) {
  AddVolume('1');
  EXPECT_EQ(volumes_.Resize(Id('1'), 5, /*dry_run=*/true)->size_bytes(), GiB(5).count());
  EXPECT_EQ(volumes_.Get(Id('1'))->size_bytes(), GiB(2).count());
  EXPECT_EQ(volumes_.Resize(Id('1'), 5, false)->size_bytes(), GiB(5).count());
  EXPECT_OK(volumes_.Resize(Id('1'), 5, false));
  EXPECT_THAT(volumes_.Resize(Id('1'), 4, false),
              Fails(absl::StatusCode::kFailedPrecondition, "VOLUME_WOULD_SHRINK"));
  EXPECT_EQ(volumes_.Get(Id('1'))->size_bytes(), GiB(5).count());
  EXPECT_EQ(ErrorField(volumes_.Resize(Id('1'), 0, false).status()), "size_gib");
}

TEST_F(VolumeCatalogTest, SnapshotsAreProtectedAndShownWithTheirClones) {
  AddVolume('1');
  const auto made = volumes_.CreateSnapshot(Id('1'), Id('a'));
  ASSERT_OK(made);
  EXPECT_EQ(made->name(), VolumeSnapshotName(Id('a')));
  EXPECT_TRUE(made->protected_());
  ASSERT_OK(volumes_.Resize(Id('1'), 5, false));
  EXPECT_EQ(volumes_.CreateSnapshot(Id('1'), Id('a'))->size_bytes(), GiB(2).count())
      << "the same id again is the same snapshot";
  ASSERT_OK(block_.CloneImage(volumes_.SnapshotNameOf(Id('1'), Id('a')), {"vms", "", "clone"}));
  ASSERT_OK(block_.CreateProtectedSnapshot({volumes_.NameOf(Id('1')), "backup.1.snap.2"}));

  const auto listed = volumes_.ListSnapshots(Id('1'));
  ASSERT_OK(listed);
  ASSERT_EQ(listed->size(), 2);
  EXPECT_EQ(listed->at(0).id(), Id('a').ToString());
  EXPECT_THAT(listed->at(0).clones(), ElementsAre("vms/clone"));
  EXPECT_EQ(listed->at(1).id(), "");
  EXPECT_EQ(listed->at(1).name(), "backup.1.snap.2");
}

TEST_F(VolumeCatalogTest, SnapshotWithClonesIsNotDeletedUntilTheyAreGone) {
  AddVolume('1');
  ASSERT_OK(volumes_.CreateSnapshot(Id('1'), Id('a')));
  const block::ImageName clone = {"vms", "", "clone"};
  ASSERT_OK(block_.CloneImage(volumes_.SnapshotNameOf(Id('1'), Id('a')), clone));
  const absl::Status refused = volumes_.DeleteSnapshot(Id('1'), Id('a'));
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("vms/clone"));
  ASSERT_OK(block_.RemoveImage(clone));
  EXPECT_OK(volumes_.DeleteSnapshot(Id('1'), Id('a')));
  EXPECT_THAT(volumes_.DeleteSnapshot(Id('1'), Id('a')),
              Fails(absl::StatusCode::kNotFound, "SNAPSHOT_NOT_FOUND"));
}

TEST_F(VolumeCatalogTest, DeletionNamesAllThatDependsAndChangesNothing) {
  AddVolume('1');
  ASSERT_OK(volumes_.CreateSnapshot(Id('1'), Id('a')));
  const block::SnapshotName left_over = {volumes_.NameOf(Id('1')), CloneSnapshotName(Id('8'))};
  const block::SnapshotName cloned = {volumes_.NameOf(Id('1')), CloneSnapshotName(Id('9'))};
  ASSERT_OK(block_.CreateProtectedSnapshot(left_over));
  ASSERT_OK(block_.CreateProtectedSnapshot(cloned));
  ASSERT_OK(block_.CloneImage(cloned, volumes_.NameOf(Id('9'))));
  const absl::Status refused = volumes_.Delete(Id('1'));
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "VOLUME_HAS_SNAPSHOTS"));
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr(VolumeSnapshotName(Id('a'))),
                    HasSubstr("cloned to volumes/" + VolumeName(Id('9')))));
  EXPECT_EQ(volumes_.ListSnapshots(Id('1'))->size(), 3);

  // The clone takes its snapshot along; the one whose clone never came goes with the volume.
  ASSERT_OK(volumes_.Delete(Id('9')));
  ASSERT_OK(volumes_.DeleteSnapshot(Id('1'), Id('a')));
  EXPECT_THAT(volumes_.ListSnapshots(Id('1'))->size(), 1);
  EXPECT_OK(volumes_.Delete(Id('1')));
  EXPECT_THAT(*block_.ListImages("volumes", "", 10), IsEmpty());
}

TEST_F(VolumeCatalogTest, WhatCinderKeptOfADeletedSourceGoesWithItsLastClone) {
  const block::ImageName oldest = {"volumes", "", VolumeName(Id('1')) + ".deleted"};
  const block::ImageName older = {"volumes", "", VolumeName(Id('2')) + ".deleted"};
  ASSERT_OK(block_.CreateImage(oldest, GiB(1), MiB(4)));
  ASSERT_OK(block_.CreateProtectedSnapshot({oldest, CloneSnapshotName(Id('2'))}));
  ASSERT_OK(block_.CloneImage({oldest, CloneSnapshotName(Id('2'))}, older));
  for (const char digit : {'3', '4'}) {
    ASSERT_OK(block_.CreateProtectedSnapshot({older, CloneSnapshotName(Id(digit))}));
    ASSERT_OK(block_.CloneImage({older, CloneSnapshotName(Id(digit))}, volumes_.NameOf(Id(digit))));
  }
  ASSERT_OK(volumes_.Delete(Id('3')));
  EXPECT_EQ(block_.GetImage(older)->snapshots.size(), 1) << "volume 4 needs it";
  ASSERT_OK(volumes_.Delete(Id('4')));
  EXPECT_THAT(*block_.ListImages("volumes", "", 10), IsEmpty());
}

TEST_F(VolumeCatalogTest, ChecksOfDeletionsSayWhatTheyWouldAndChangeNothing) {
  AddVolume('1');
  EXPECT_OK(volumes_.CheckDelete(Id('1')));
  ASSERT_OK(volumes_.CreateSnapshot(Id('1'), Id('a')));
  EXPECT_THAT(volumes_.CheckDelete(Id('1')),
              Fails(absl::StatusCode::kFailedPrecondition, "VOLUME_HAS_SNAPSHOTS"));
  EXPECT_OK(volumes_.CheckDeleteSnapshot(Id('1'), Id('a')));
  ASSERT_OK(block_.CloneImage(volumes_.SnapshotNameOf(Id('1'), Id('a')), {"vms", "", "clone"}));
  EXPECT_THAT(volumes_.CheckDeleteSnapshot(Id('1'), Id('a')),
              Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
  AddVolume('2');
  block_.AddWatcher(volumes_.NameOf(Id('2')), "10.0.0.1:0/1");
  EXPECT_THAT(volumes_.CheckDelete(Id('2')),
              Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE"));
  EXPECT_EQ(Ids("", 10).size(), 2);
}

TEST_F(VolumeCatalogTest, UsageOfSnapshotsIsMeasuredOnlyWhenAskedFor) {
  AddVolume('1');
  auto writer = block_.OpenWriter(volumes_.NameOf(Id('1')));
  ASSERT_OK((*writer)->Write(MiB(5).count(), "data"));
  ASSERT_OK((*writer)->Finish());
  ASSERT_OK(volumes_.CreateSnapshot(Id('1'), Id('a')));
  EXPECT_FALSE(volumes_.ListSnapshots(Id('1'))->front().has_used_bytes());
  EXPECT_EQ(volumes_.ListSnapshots(Id('1'), /*with_usage=*/true)->front().used_bytes(),
            MiB(4).count());
}

TEST_F(VolumeCatalogTest, VolumeThatIsOpenSomewhereIsNotDeleted) {
  AddVolume('1');
  block_.AddWatcher(volumes_.NameOf(Id('1')), "10.0.0.1:0/1");
  const absl::Status refused = volumes_.Delete(Id('1'));
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("10.0.0.1:0/1"));
}

}  // namespace
}  // namespace hvagent::operations
