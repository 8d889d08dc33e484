// The sentences of agent/block/block_store.h on clones as tests: what they read, who stands in
// whose way, and how they are freed of their parents.
#include <string>

#include "gmock/gmock.h"
#include "tests/contract/block/block_store_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {
namespace {

using hvagent::testing::Fails;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr auto kNotFound = absl::StatusCode::kNotFound;
constexpr auto kAlreadyExists = absl::StatusCode::kAlreadyExists;
constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;

TEST_P(BlockStoreContract, CloneHasItsParentsSizesAndReadsThrough) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));

  auto info = store().GetImage(disk);
  ASSERT_OK(info);
  EXPECT_EQ(info->size, MiB(16));
  EXPECT_EQ(info->object_size, MiB(4));
  EXPECT_EQ(info->parent, golden);
  EXPECT_THAT(info->snapshots, IsEmpty());
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
}

TEST_P(BlockStoreContract, WriteToACloneLeavesItsParentAndTheRestOfTheObjectAlone) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  Write(disk, MiB(1).count() + 2, "XX");
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "goXXen");
  EXPECT_EQ(Read(golden.image, MiB(1).count(), 6), "golden");
}

TEST_P(BlockStoreContract, CloneOfACloneReadsThroughBoth) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  Write(disk, MiB(9).count(), "middle");
  const SnapshotName middle = MakeSnapshot(disk);
  const ImageName second = Disk();
  ASSERT_OK(store().CloneImage(middle, second));
  EXPECT_EQ(Read(second, MiB(1).count(), 6), "golden");
  EXPECT_EQ(Read(second, MiB(9).count(), 6), "middle");
  EXPECT_EQ(store().GetImage(second)->parent, middle);
}

TEST_P(BlockStoreContract, CloneRefusesANameThatIsTaken) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = MakeImage(Disk());
  EXPECT_THAT(store().CloneImage(golden, disk), Fails(kAlreadyExists, "IMAGE_EXISTS"));
  EXPECT_EQ(store().GetImage(disk)->parent, std::nullopt);
}

TEST_P(BlockStoreContract, CloneRefusesASnapshotThatIsNotProtected) {
  const SnapshotName golden = MakeGolden();
  ASSERT_OK(subject().Unprotect(golden));
  const ImageName disk = Disk();
  EXPECT_THAT(store().CloneImage(golden, disk),
              Fails(kFailedPrecondition, "SNAPSHOT_NOT_PROTECTED"));
  EXPECT_THAT(store().GetImage(disk), Fails(kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_P(BlockStoreContract, ACloneInheritsMetadataUntilItIsTakenAway) {
  const SnapshotName golden = MakeGolden();
  ASSERT_OK(store().AmendImage(golden.image, {.metadata = {{"a", "1"}, {"b", "1"}}}));
  const ImageName clone = Disk();
  ASSERT_OK(store().CloneImage(golden, clone));
  EXPECT_THAT(store().GetImage(clone)->metadata,
              UnorderedElementsAre(Pair("a", "1"), Pair("b", "1")));
  for (int again = 0; again < 2; ++again) {
    ASSERT_OK(store().AmendImage(clone, {.metadata = {{"b", "2"}}, .remove_metadata = {"a"}}));
    EXPECT_THAT(store().GetImage(clone)->metadata, ElementsAre(Pair("b", "2")));
  }
  EXPECT_THAT(store().GetImage(golden.image)->metadata,
              UnorderedElementsAre(Pair("a", "1"), Pair("b", "1")));
}

TEST_P(BlockStoreContract, ListsTheClonesOfOneSnapshotInEveryPool) {
  const SnapshotName golden = MakeGolden();
  const SnapshotName other{golden.image, "other"};
  ASSERT_OK(store().CreateProtectedSnapshot(other));
  EXPECT_THAT(*store().ListChildren(golden), IsEmpty());
  const ImageName here = Golden(), there = Disk();
  ASSERT_OK(store().CloneImage(golden, here));
  ASSERT_OK(store().CloneImage(golden, there));
  EXPECT_THAT(*store().ListChildren(golden),
              UnorderedElementsAre(Child{here, ""}, Child{there, ""}));
  EXPECT_THAT(*store().ListChildren(other), IsEmpty());

  EXPECT_THAT(store().ListChildren({golden.image, "none"}), Fails(kNotFound, "SNAPSHOT_NOT_FOUND"));
  EXPECT_THAT(store().ListChildren({Golden("-missing"), "snap"}),
              Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().ListChildren({{"no-such-pool", "", "x"}, "snap"}),
              Fails(kNotFound, "POOL_NOT_FOUND"));
}

TEST_P(BlockStoreContract, GrownCloneOfAGrownImageReadsThroughAndThenZeros) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  ASSERT_OK(store().AmendImage(disk, {MiB(32), {}}));
  const SnapshotName middle = MakeSnapshot(disk);
  const ImageName second = Disk();
  ASSERT_OK(store().CloneImage(middle, second));
  ASSERT_OK(store().AmendImage(second, {MiB(64), {}}));
  EXPECT_EQ(store().GetImage(second)->size, MiB(64));
  EXPECT_EQ(Read(second, MiB(1).count(), 6), "golden");
  EXPECT_EQ(Read(second, MiB(20).count(), 4096), std::string(4096, '\0'));
  EXPECT_EQ(Read(second, MiB(40).count(), 4096), std::string(4096, '\0'));
}

TEST_P(BlockStoreContract, RemoveSnapshotNamesTheClonesInTheWay) {
  const SnapshotName golden = MakeGolden();
  const ImageName one = Disk(), two = Disk();
  ASSERT_OK(store().CloneImage(golden, one));
  ASSERT_OK(store().CloneImage(golden, two));
  const absl::Status status = store().RemoveSnapshot(golden);
  EXPECT_THAT(status, Fails(kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(one.ToString()), HasSubstr(two.ToString())));
  // Nothing was done: it can still be cloned.
  EXPECT_TRUE(store().GetSnapshot(golden)->is_protected);

  ASSERT_OK(store().RemoveImage(one));
  ASSERT_OK(store().RemoveImage(two));
  EXPECT_OK(store().RemoveSnapshot(golden));
  EXPECT_THAT(store().GetSnapshot(golden), Fails(kNotFound, "SNAPSHOT_NOT_FOUND"));
}

TEST_P(BlockStoreContract, RemoveSnapshotMindsOnlyItsOwnClones) {
  const SnapshotName golden = MakeGolden();
  const SnapshotName other{golden.image, "other"};
  ASSERT_OK(store().CreateProtectedSnapshot(other));
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  EXPECT_OK(store().RemoveSnapshot(other));
  EXPECT_THAT(store().RemoveSnapshot(golden), Fails(kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
}

TEST_P(BlockStoreContract, RemoveSnapshotIsIdempotentAndTakesAnUnprotectedOne) {
  const SnapshotName golden = MakeGolden();
  ASSERT_OK(subject().Unprotect(golden));
  EXPECT_OK(store().RemoveSnapshot(golden));
  EXPECT_OK(store().RemoveSnapshot(golden));
  EXPECT_OK(store().RemoveImage(golden.image));
}

TEST_P(BlockStoreContract, FlattenedCloneHoldsAllAndHasNoParent) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  Write(disk, MiB(9).count(), "own");
  Bytes last_done, last_total;
  const auto progress = [&](Bytes done, Bytes total) {
    EXPECT_GE(done, last_done);
    last_done = done;
    last_total = total;
    return true;
  };
  ASSERT_OK(store().FlattenImage(disk, progress));
  EXPECT_EQ(last_total, MiB(16));
  EXPECT_EQ(store().GetImage(disk)->parent, std::nullopt);
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
  EXPECT_EQ(Read(disk, MiB(9).count(), 3), "own");
  EXPECT_THAT(*store().ListChildren(golden), IsEmpty());
  EXPECT_OK(store().FlattenImage(disk, progress)) << "once more";
  EXPECT_THAT(store().FlattenImage(Disk("-missing"), progress),
              Fails(kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_P(BlockStoreContract, FlatteningThatWasStoppedIsGoneOnWith) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  EXPECT_THAT(store().FlattenImage(disk, [](Bytes, Bytes) { return false; }),
              Fails(absl::StatusCode::kCancelled, "FLATTEN_STOPPED"));
  EXPECT_EQ(store().GetImage(disk)->parent, golden);
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
  ASSERT_OK(store().FlattenImage(disk, [](Bytes, Bytes) { return true; }));
  EXPECT_EQ(store().GetImage(disk)->parent, std::nullopt);
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
}

}  // namespace
}  // namespace hvagent::block
