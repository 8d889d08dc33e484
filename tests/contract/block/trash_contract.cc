// The sentences of agent/block/block_store.h on the trash as tests.
#include <string>

#include "gmock/gmock.h"
#include "tests/contract/block/block_store_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {
namespace {

using hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr auto kNotFound = absl::StatusCode::kNotFound;
constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;

TrashedImage FindInTrash(BlockStore& store, const ImageName& name) {
  const auto list = store.ListTrash(name.pool, "", 10000);
  EXPECT_OK(list);
  for (const TrashedImage& trashed : *list) {
    if (trashed.name == name.name) return trashed;
  }
  ADD_FAILURE() << name.ToString() << " is not in the trash";
  return {};
}

TEST_P(BlockStoreContract, TrashKeepsAnImageForItsDelayAndGivesItBack) {
  const ImageName image = MakeImage(Golden());
  Write(image, 0, "kept");
  ASSERT_OK(store().AmendImage(image, {std::nullopt, {{"a", "1"}}}));
  ASSERT_OK(store().MoveToTrash(image, absl::Hours(1)));
  EXPECT_THAT(store().GetImage(image), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().MoveToTrash(image, absl::Hours(1)), Fails(kNotFound, "IMAGE_NOT_FOUND"));

  const TrashedImage trashed = FindInTrash(store(), image);
  EXPECT_EQ(trashed.kept_until - trashed.trashed_at, absl::Hours(1));
  EXPECT_THAT(store().GetTrashedImage(image.pool, trashed.id)->metadata,
              ElementsAre(Pair("a", "1")));
  EXPECT_THAT(store().RemoveFromTrash(image.pool, trashed.id),
              Fails(kFailedPrecondition, "TRASH_KEPT"));
  ASSERT_OK(store().RestoreFromTrash(image.pool, trashed.id, image.name));
  EXPECT_EQ(Read(image, 0, 4), "kept");
  EXPECT_THAT(store().RestoreFromTrash(image.pool, trashed.id, image.name + "-2"),
              Fails(kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_P(BlockStoreContract, WhatIsRemovedFromTheTrashIsGone) {
  const ImageName image = MakeImage(Golden());
  ASSERT_OK(store().MoveToTrash(image, absl::ZeroDuration()));
  const TrashedImage trashed = FindInTrash(store(), image);
  EXPECT_OK(store().RemoveFromTrash(image.pool, trashed.id));
  for (const absl::Status& status : {store().RemoveFromTrash(image.pool, trashed.id),
                                     store().GetTrashedImage(image.pool, trashed.id).status()}) {
    EXPECT_THAT(status, Fails(kNotFound, "IMAGE_NOT_FOUND"));
  }
}

TEST_P(BlockStoreContract, WhatIsRemovedFromTheTrashTakesItsSnapshotsAlongButForWhatClonesNeed) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(subject().CloneInFormat2(golden, disk));
  ASSERT_OK(store().CreateSnapshot({golden.image, "plain"}));
  ASSERT_OK(store().CreateProtectedSnapshot({golden.image, "protected"}));
  ASSERT_OK(store().MoveToTrash(golden.image, absl::ZeroDuration()));
  const TrashedImage trashed = FindInTrash(store(), golden.image);
  EXPECT_EQ(store().GetTrashedImage(golden.image.pool, trashed.id)->snapshots.size(), 3);
  EXPECT_THAT(store().RemoveFromTrash(golden.image.pool, trashed.id),
              Fails(kFailedPrecondition, "IMAGE_HAS_SNAPSHOTS"));
  EXPECT_THAT(store().GetTrashedImage(golden.image.pool, trashed.id)->snapshots, IsEmpty());
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
  ASSERT_OK(store().RemoveImage(disk));
  EXPECT_OK(store().RemoveFromTrash(golden.image.pool, trashed.id));
}

TEST_P(BlockStoreContract, TrashListsInPages) {
  const ImageName one = MakeImage(Golden()), two = MakeImage(Golden());
  for (const ImageName& image : {one, two}) {
    ASSERT_OK(store().MoveToTrash(image, absl::ZeroDuration()));
  }
  const auto all = store().ListTrash(one.pool, "", 10000);
  ASSERT_OK(all);
  ASSERT_GE(all->size(), 2);
  EXPECT_THAT(*store().ListTrash(one.pool, "", 1), ElementsAre(all->front()));
  EXPECT_EQ(store().ListTrash(one.pool, all->front().id, 10000)->size(), all->size() - 1);
  for (const ImageName& image : {one, two}) {
    EXPECT_OK(store().RemoveFromTrash(image.pool, FindInTrash(store(), image).id));
  }
}

TEST_P(BlockStoreContract, ImageInUseDoesNotGoToTheTrash) {
  const ImageName image = MakeImage(Disk());
  auto writer = store().OpenWriter(image);
  ASSERT_OK(writer);
  EXPECT_THAT(store().MoveToTrash(image, absl::ZeroDuration()),
              Fails(kFailedPrecondition, "IMAGE_IN_USE"));
  ASSERT_OK((*writer)->Finish());
}

TEST_P(BlockStoreContract, CloneInTheTrashIsAChildStill) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  ASSERT_OK(store().MoveToTrash(disk, absl::ZeroDuration()));
  const TrashedImage trashed = FindInTrash(store(), disk);
  EXPECT_THAT(*store().ListChildren(golden), ElementsAre(Child{disk, trashed.id}));
  const absl::Status status = store().RemoveSnapshot(golden);
  EXPECT_THAT(status, Fails(kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("in the trash"));
  EXPECT_OK(store().RemoveFromTrash(disk.pool, trashed.id));
}

TEST_P(BlockStoreContract, TrashedParentServesItsClonesUntilTheLastIsGone) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(subject().CloneInFormat2(golden, disk));
  ASSERT_OK(store().MoveSnapshotToTrash(golden));
  EXPECT_THAT(store().GetSnapshot(golden), Fails(kNotFound, "SNAPSHOT_NOT_FOUND"));
  EXPECT_THAT(store().RemoveImage(golden.image), Fails(kFailedPrecondition, "IMAGE_HAS_SNAPSHOTS"));
  ASSERT_OK(store().MoveToTrash(golden.image, absl::ZeroDuration()));

  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
  const auto info = store().GetImage(disk);
  ASSERT_OK(info);
  ASSERT_TRUE(info->parent.has_value());
  EXPECT_EQ(info->parent->image, golden.image);
  EXPECT_TRUE(info->parent_in_trash);
  const TrashedImage trashed = FindInTrash(store(), golden.image);
  EXPECT_THAT(store().RemoveFromTrash(golden.image.pool, trashed.id),
              Fails(kFailedPrecondition, "IMAGE_HAS_SNAPSHOTS"));
  ASSERT_OK(store().RemoveImage(disk));
  EXPECT_OK(store().RemoveFromTrash(golden.image.pool, trashed.id));
}

TEST_P(BlockStoreContract, MovingASnapshotWithoutClonesToTheTrashRemovesIt) {
  const SnapshotName golden = MakeGolden();
  ASSERT_OK(store().MoveSnapshotToTrash(golden));
  EXPECT_OK(store().MoveSnapshotToTrash(golden)) << "once more";
  EXPECT_OK(store().RemoveImage(golden.image));
}

}  // namespace
}  // namespace hvagent::block
