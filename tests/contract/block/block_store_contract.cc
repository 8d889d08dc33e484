#include "tests/contract/block/block_store_contract.h"

#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"

namespace hvagent::block {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

BlockStoreContract::BlockStoreContract() : subject_(GetParam()()) {}

BlockStoreContract::~BlockStoreContract() {
  // Clones are made after their parents, so they go first. A test that removed an image itself
  // gets NOT_FOUND here, which is as good.
  for (auto image = images_.rbegin(); image != images_.rend(); ++image) {
    if (auto info = store().GetImage(*image); info.ok()) {
      for (const SnapshotInfo& snapshot : info->snapshots) {
        EXPECT_TRUE(store().RemoveSnapshot({*image, snapshot.name}).ok());
      }
      EXPECT_TRUE(store().RemoveImage(*image).ok()) << image->ToString();
    }
  }
}

ImageName BlockStoreContract::Named(const std::string& pool, const std::string& suffix) {
  static std::atomic<int> count = 0;
  images_.push_back({pool, "", absl::StrCat("contract-", getpid(), "-", ++count, suffix)});
  return images_.back();
}

ImageName BlockStoreContract::Golden(const std::string& suffix) { return Named("images", suffix); }
ImageName BlockStoreContract::Disk(const std::string& suffix) { return Named("vms", suffix); }

ImageName BlockStoreContract::MakeImage(const ImageName& name) {
  const absl::Status status = store().CreateImage(name, MiB(16), MiB(4));
  EXPECT_TRUE(status.ok()) << status;
  return name;
}

void BlockStoreContract::Write(const ImageName& image, uint64_t offset_bytes,
                               const std::string& data) {
  auto writer = store().OpenWriter(image);
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_TRUE((*writer)->Write(offset_bytes, data).ok());
  const absl::Status finished = (*writer)->Finish();
  EXPECT_TRUE(finished.ok()) << finished;
}

std::string BlockStoreContract::Read(const ImageName& image, uint64_t offset_bytes,
                                     size_t length_bytes) {
  auto data = store().ReadImage(image, offset_bytes, length_bytes);
  EXPECT_TRUE(data.ok()) << data.status();
  return data.value_or("");
}

SnapshotName BlockStoreContract::MakeSnapshot(const ImageName& image) {
  const absl::Status status = store().CreateProtectedSnapshot({image, "snap"});
  EXPECT_TRUE(status.ok()) << status;
  return {image, "snap"};
}

SnapshotName BlockStoreContract::MakeGolden() {
  const ImageName image = MakeImage(Golden());
  Write(image, MiB(1).count(), "golden");
  return MakeSnapshot(image);
}

MATCHER_P2(Fails, code, reason, "") {
  *result_listener << arg;
  return arg.code() == code && ErrorReason(arg) == reason;
}

constexpr auto kNotFound = absl::StatusCode::kNotFound;
constexpr auto kAlreadyExists = absl::StatusCode::kAlreadyExists;
constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;

const std::string& Zeros() {
  static const std::string zeros(4096, '\0');
  return zeros;
}

TEST_P(BlockStoreContract, IsHealthyAndKnowsItsCluster) {
  EXPECT_TRUE(store().Health().ok()) << store().Health();
  auto cluster = store().GetCluster();
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(cluster->fsid.size(), 36);
  EXPECT_FALSE(cluster->library_version.empty());
  ASSERT_FALSE(cluster->monitors.empty());
  for (const Monitor& monitor : cluster->monitors) {
    EXPECT_FALSE(monitor.name.empty());
    ASSERT_FALSE(monitor.addresses.empty());
    for (const MonitorAddress& address : monitor.addresses) {
      EXPECT_FALSE(address.host.empty());
      EXPECT_NE(address.port, 0);
    }
  }
}

TEST_P(BlockStoreContract, NewImageHasItsSizesAndReadsAsZeros) {
  const absl::Time before = absl::Now();
  const ImageName image = Golden();
  ASSERT_TRUE(store().CreateImage(image, MiB(20), MiB(8)).ok());

  auto info = store().GetImage(image);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->size, MiB(20));
  EXPECT_EQ(info->object_size, MiB(8));
  EXPECT_EQ(info->parent, std::nullopt);
  EXPECT_THAT(info->snapshots, IsEmpty());
  EXPECT_THAT(info->metadata, IsEmpty());
  // The cluster's clock is not ours, but neither is a century away.
  EXPECT_LT(absl::AbsDuration(info->create_time - before), absl::Hours(24));
  EXPECT_EQ(Read(image, 0, 4096), Zeros());
}

TEST_P(BlockStoreContract, CreateRefusesANameThatIsTaken) {
  const ImageName image = MakeImage(Golden());
  EXPECT_THAT(store().CreateImage(image, MiB(16), MiB(4)), Fails(kAlreadyExists, "IMAGE_EXISTS"));
}

TEST_P(BlockStoreContract, CreateRefusesAnObjectSizeThatRbdCannotHave) {
  for (const Bytes object_size : {Bytes(0), Bytes(5000), KiB(2), MiB(64)}) {
    EXPECT_EQ(store().CreateImage(Golden(), MiB(16), object_size).code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST_P(BlockStoreContract, MissingPoolImageAndSnapshotAreToldApart) {
  const ImageName nowhere{"no-such-pool", "", "x"};
  EXPECT_THAT(store().GetImage(nowhere).status(), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().CreateImage(nowhere, MiB(1), MiB(4)), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().ListImages("no-such-pool", "", 10).status(),
              Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().GetSnapshot({nowhere, "snap"}).status(), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().RemoveImage(nowhere), Fails(kNotFound, "POOL_NOT_FOUND"));

  const ImageName missing = Golden("-missing");
  EXPECT_THAT(store().GetImage(missing).status(), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().GetSnapshot({missing, "snap"}).status(), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().OpenWriter(missing).status(), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().ReadImage(missing, 0, 1).status(), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().AmendImage(missing, {}), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().RenameImage(missing, "x"), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().RemoveImage(missing), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().CreateProtectedSnapshot({missing, "snap"}),
              Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().RemoveSnapshot({missing, "snap"}), Fails(kNotFound, "IMAGE_NOT_FOUND"));

  const ImageName image = MakeImage(Golden());
  EXPECT_THAT(store().GetSnapshot({image, "snap"}).status(),
              Fails(kNotFound, "SNAPSHOT_NOT_FOUND"));
}

TEST_P(BlockStoreContract, CloneSaysWhichOfItsNamesIsMissing) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  const ImageName missing = Golden("-missing");
  EXPECT_THAT(store().CloneImage({missing, "snap"}, disk), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().CloneImage({golden.image, "other"}, disk),
              Fails(kNotFound, "SNAPSHOT_NOT_FOUND"));
  EXPECT_THAT(store().CloneImage(golden, {"no-such-pool", "", "x"}),
              AllOf(Fails(kNotFound, "POOL_NOT_FOUND"),
                    testing::Property(&absl::Status::message, HasSubstr("no-such-pool"))));
  EXPECT_THAT(store().GetImage(disk).status(), Fails(kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_P(BlockStoreContract, ListsImagesInOrderAndInPages) {
  const ImageName a = MakeImage(Disk("-a")), b = MakeImage(Disk("-b")), c = MakeImage(Disk("-c"));
  // Others may have images there: look only from just before the first to the last.
  const std::string before = a.name.substr(0, a.name.size() - 1);
  auto page = store().ListImages("vms", before, 2);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, ElementsAre(a.name, b.name));
  page = store().ListImages("vms", page->back(), 1);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, ElementsAre(c.name));
  page = store().ListImages("vms", before, 0);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, IsEmpty());
}

TEST_P(BlockStoreContract, WritesLandInAnyOrderAndAcrossObjects) {
  const ImageName image = MakeImage(Golden());
  auto writer = store().OpenWriter(image);
  ASSERT_TRUE(writer.ok()) << writer.status();
  const std::string across(8192, 'b');
  ASSERT_TRUE((*writer)->Write(MiB(16).count() - 4096, std::string(4096, 'c')).ok());
  ASSERT_TRUE((*writer)->Write(MiB(4).count() - 4096, across).ok());
  ASSERT_TRUE((*writer)->Write(0, std::string(4096, 'a')).ok());
  ASSERT_TRUE((*writer)->Finish().ok());

  EXPECT_EQ(Read(image, 0, 4096), std::string(4096, 'a'));
  EXPECT_EQ(Read(image, 4096, 4096), Zeros());
  EXPECT_EQ(Read(image, MiB(4).count() - 4096, 8192), across);
  EXPECT_EQ(Read(image, MiB(16).count() - 4096, 4096), std::string(4096, 'c'));
}

TEST_P(BlockStoreContract, LargeSparseImageTakesManyWritesInFlight) {
  const ImageName image = Golden();
  ASSERT_TRUE(store().CreateImage(image, GiB(100), MiB(8)).ok());
  auto writer = store().OpenWriter(image);
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        (*writer)->Write(GiB(i).count(), std::string(MiB(1).count(), char('0' + i % 10))).ok());
  }
  ASSERT_TRUE((*writer)->Finish().ok());
  for (uint64_t i : {0, 7, 63, 99}) {
    EXPECT_EQ(Read(image, GiB(i).count() + MiB(1).count() - 2, 4),
              std::string(2, char('0' + i % 10)) + std::string(2, '\0'));
  }
}

TEST_P(BlockStoreContract, ReadsLessAtTheEndOfAnImage) {
  const ImageName image = MakeImage(Golden());
  Write(image, MiB(16).count() - 3, "end");
  EXPECT_EQ(Read(image, MiB(16).count() - 3, 4096), "end");
  EXPECT_EQ(Read(image, MiB(16).count(), 4096), "");
  EXPECT_EQ(Read(image, MiB(17).count(), 4096), "");
}

TEST_P(BlockStoreContract, WritePastTheEndIsRefusedAndSpoilsTheWriter) {
  const ImageName image = MakeImage(Golden());
  auto writer = store().OpenWriter(image);
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_THAT((*writer)->Write(MiB(16).count() - 1, "ab"),
              Fails(absl::StatusCode::kOutOfRange, "WRITE_PAST_END"));
  EXPECT_FALSE((*writer)->Write(0, "a").ok());
  EXPECT_FALSE((*writer)->Finish().ok());
  EXPECT_EQ(Read(image, MiB(16).count() - 1, 1), std::string(1, '\0'));
}

TEST_P(BlockStoreContract, ResizeDuringWritingGrowsAndCutsOff) {
  const ImageName image = MakeImage(Golden());
  auto writer = store().OpenWriter(image);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Write(MiB(5).count(), "cut off").ok());
  ASSERT_TRUE((*writer)->Write(MiB(1).count(), "stays").ok());
  ASSERT_TRUE((*writer)->Resize(MiB(5)).ok());
  ASSERT_TRUE((*writer)->Resize(MiB(32)).ok());
  ASSERT_TRUE((*writer)->Write(MiB(31).count(), "grown").ok());
  ASSERT_TRUE((*writer)->Finish().ok());

  EXPECT_EQ(Read(image, MiB(1).count(), 5), "stays");
  EXPECT_EQ(Read(image, MiB(5).count(), 7), std::string(7, '\0'));
  EXPECT_EQ(Read(image, MiB(31).count(), 5), "grown");
  EXPECT_EQ(store().GetImage(image)->size, MiB(32));
}

TEST_P(BlockStoreContract, WriterDestroyedBeforeFinishLeavesTheImageFreeToRemove) {
  const ImageName image = MakeImage(Golden());
  {
    auto writer = store().OpenWriter(image);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Write(0, std::string(MiB(4).count(), 'x')).ok());
  }
  const absl::Status removed = store().RemoveImage(image);
  EXPECT_TRUE(removed.ok()) << removed;
}

TEST_P(BlockStoreContract, SnapshotKeepsSizeAndContentAndIsProtected) {
  const SnapshotName golden = MakeGolden();
  Write(golden.image, MiB(1).count(), "after!");
  ASSERT_TRUE(store().AmendImage(golden.image, {MiB(32), {}}).ok());

  auto snapshot = store().GetSnapshot(golden);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(*snapshot, (SnapshotInfo{"snap", MiB(16), true}));
  EXPECT_THAT(store().GetImage(golden.image)->snapshots, ElementsAre(*snapshot));

  const ImageName disk = Disk();
  ASSERT_TRUE(store().CloneImage(golden, disk).ok());
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
}

TEST_P(BlockStoreContract, SnapshotsAreListedOldestFirst) {
  const ImageName image = MakeImage(Golden());
  ASSERT_TRUE(store().CreateProtectedSnapshot({image, "b"}).ok());
  ASSERT_TRUE(store().CreateProtectedSnapshot({image, "a"}).ok());
  EXPECT_THAT(store().GetImage(image)->snapshots,
              ElementsAre(SnapshotInfo{"b", MiB(16), true}, SnapshotInfo{"a", MiB(16), true}));
}

TEST_P(BlockStoreContract, CreateProtectedSnapshotIsIdempotentAndProtectsOneThatIsThere) {
  const SnapshotName golden = MakeGolden();
  Write(golden.image, MiB(1).count(), "after!");
  ASSERT_TRUE(subject().Unprotect(golden).ok());
  ASSERT_FALSE(store().GetSnapshot(golden)->is_protected);

  const absl::Status again = store().CreateProtectedSnapshot(golden);
  EXPECT_TRUE(again.ok()) << again;
  EXPECT_TRUE(store().GetSnapshot(golden)->is_protected);
  EXPECT_TRUE(store().CreateProtectedSnapshot(golden).ok());
  const ImageName disk = Disk();
  ASSERT_TRUE(store().CloneImage(golden, disk).ok());
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
}

TEST_P(BlockStoreContract, CloneHasItsParentsSizesAndReadsThrough) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  const absl::Status cloned = store().CloneImage(golden, disk);
  ASSERT_TRUE(cloned.ok()) << cloned;

  auto info = store().GetImage(disk);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->size, MiB(16));
  EXPECT_EQ(info->object_size, MiB(4));
  EXPECT_EQ(info->parent, golden);
  EXPECT_THAT(info->snapshots, IsEmpty());
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
}

TEST_P(BlockStoreContract, WriteToACloneLeavesItsParentAndTheRestOfTheObjectAlone) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_TRUE(store().CloneImage(golden, disk).ok());
  Write(disk, MiB(1).count() + 2, "XX");
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "goXXen");
  EXPECT_EQ(Read(golden.image, MiB(1).count(), 6), "golden");
}

TEST_P(BlockStoreContract, CloneOfACloneReadsThroughBoth) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_TRUE(store().CloneImage(golden, disk).ok());
  Write(disk, MiB(9).count(), "middle");
  const SnapshotName middle = MakeSnapshot(disk);
  const ImageName second = Disk();
  ASSERT_TRUE(store().CloneImage(middle, second).ok());
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
  ASSERT_TRUE(subject().Unprotect(golden).ok());
  const ImageName disk = Disk();
  EXPECT_THAT(store().CloneImage(golden, disk),
              Fails(kFailedPrecondition, "SNAPSHOT_NOT_PROTECTED"));
  EXPECT_THAT(store().GetImage(disk).status(), Fails(kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_P(BlockStoreContract, AmendGrowsAndSetsMetadataAndIsIdempotent) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_TRUE(store().CloneImage(golden, disk).ok());
  const ImageChange change{GiB(1), {{"hvagent.vm", "65bd684f"}, {"hvagent.spec", "1"}}};
  for (int time = 0; time < 2; ++time) {
    const absl::Status amended = store().AmendImage(disk, change);
    ASSERT_TRUE(amended.ok()) << amended;
    auto info = store().GetImage(disk);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->size, GiB(1));
    EXPECT_THAT(info->metadata,
                UnorderedElementsAre(Pair("hvagent.vm", "65bd684f"), Pair("hvagent.spec", "1")));
  }
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
  EXPECT_EQ(Read(disk, MiB(16).count(), 4096), Zeros());
  EXPECT_EQ(Read(disk, GiB(1).count() - 4096, 8192), Zeros());
}

TEST_P(BlockStoreContract, AmendNeverShrinks) {
  const ImageName image = MakeImage(Golden());
  Write(image, MiB(15).count(), "tail");
  ASSERT_TRUE(store().AmendImage(image, {MiB(1), {}}).ok());
  EXPECT_EQ(store().GetImage(image)->size, MiB(16));
  EXPECT_EQ(Read(image, MiB(15).count(), 4), "tail");
}

TEST_P(BlockStoreContract, AmendLeavesOtherMetadataAlone) {
  const ImageName image = MakeImage(Golden());
  ASSERT_TRUE(store().AmendImage(image, {std::nullopt, {{"a", "1"}, {"b", "1"}}}).ok());
  ASSERT_TRUE(store().AmendImage(image, {std::nullopt, {{"b", "2"}}}).ok());
  EXPECT_THAT(store().GetImage(image)->metadata,
              UnorderedElementsAre(Pair("a", "1"), Pair("b", "2")));
}

TEST_P(BlockStoreContract, MetadataOfAnySizeAndNumberIsReadBack) {
  const ImageName image = MakeImage(Golden());
  ImageChange change;
  for (int i = 0; i < 100; ++i) change.metadata[absl::StrCat("key-", i)] = std::string(500, 'v');
  ASSERT_TRUE(store().AmendImage(image, change).ok());
  EXPECT_EQ(store().GetImage(image)->metadata, change.metadata);
}

TEST_P(BlockStoreContract, RenameKeepsContentMetadataAndClones) {
  const SnapshotName golden = MakeGolden();
  ASSERT_TRUE(store().AmendImage(golden.image, {std::nullopt, {{"a", "1"}}}).ok());
  const ImageName disk = Disk();
  ASSERT_TRUE(store().CloneImage(golden, disk).ok());
  // The new name comes before the clone's in the list that cleans up.
  const ImageName renamed{golden.image.pool, "", golden.image.name + "-renamed"};
  const absl::Status status = store().RenameImage(golden.image, renamed.name);
  ASSERT_TRUE(status.ok()) << status;

  EXPECT_THAT(store().GetImage(golden.image).status(), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().GetImage(renamed)->metadata, ElementsAre(Pair("a", "1")));
  EXPECT_EQ(Read(renamed, MiB(1).count(), 6), "golden");
  EXPECT_EQ(store().GetImage(disk)->parent, (SnapshotName{renamed, "snap"}));
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
  EXPECT_TRUE(store().RenameImage(renamed, golden.image.name).ok());
}

TEST_P(BlockStoreContract, RenameRefusesANameThatIsTaken) {
  const ImageName one = MakeImage(Golden()), two = MakeImage(Golden());
  Write(two, 0, "two");
  EXPECT_THAT(store().RenameImage(one, two.name), Fails(kAlreadyExists, "IMAGE_EXISTS"));
  EXPECT_EQ(Read(two, 0, 3), "two");
  EXPECT_TRUE(store().GetImage(one).ok());
}

TEST_P(BlockStoreContract, RemovedImageIsGone) {
  const ImageName image = MakeImage(Golden());
  const absl::Status removed = store().RemoveImage(image);
  EXPECT_TRUE(removed.ok()) << removed;
  EXPECT_THAT(store().GetImage(image).status(), Fails(kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_P(BlockStoreContract, RemoveNamesTheSnapshotsInTheWay) {
  const SnapshotName golden = MakeGolden();
  ASSERT_TRUE(store().CreateProtectedSnapshot({golden.image, "second"}).ok());
  const absl::Status status = store().RemoveImage(golden.image);
  EXPECT_THAT(status, Fails(kFailedPrecondition, "IMAGE_HAS_SNAPSHOTS"));
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("snap"), HasSubstr("second")));
}

TEST_P(BlockStoreContract, RemoveNamesTheWatchersOfAnImageInUse) {
  const ImageName image = MakeImage(Disk());
  auto writer = store().OpenWriter(image);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Write(0, "in use").ok());
  const absl::Status status = store().RemoveImage(image);
  EXPECT_THAT(status, Fails(kFailedPrecondition, "IMAGE_IN_USE"));
  EXPECT_THAT(std::string(status.message()), testing::ContainsRegex(":0/[0-9]+"));
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_EQ(Read(image, 0, 6), "in use");
  EXPECT_TRUE(store().RemoveImage(image).ok());
}

TEST_P(BlockStoreContract, LookingAtAnImageLeavesNoWatcher) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_TRUE(store().CloneImage(golden, disk).ok());
  ASSERT_TRUE(store().GetImage(disk).ok());
  Read(disk, 0, 4096);
  const absl::Status removed = store().RemoveImage(disk);
  EXPECT_TRUE(removed.ok()) << removed;
}

TEST_P(BlockStoreContract, RemoveSnapshotNamesTheClonesInTheWay) {
  const SnapshotName golden = MakeGolden();
  const ImageName one = Disk(), two = Disk();
  ASSERT_TRUE(store().CloneImage(golden, one).ok());
  ASSERT_TRUE(store().CloneImage(golden, two).ok());
  const absl::Status status = store().RemoveSnapshot(golden);
  EXPECT_THAT(status, Fails(kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(one.ToString()), HasSubstr(two.ToString())));
  // Nothing was done: it can still be cloned.
  EXPECT_TRUE(store().GetSnapshot(golden)->is_protected);

  ASSERT_TRUE(store().RemoveImage(one).ok());
  ASSERT_TRUE(store().RemoveImage(two).ok());
  const absl::Status removed = store().RemoveSnapshot(golden);
  EXPECT_TRUE(removed.ok()) << removed;
  EXPECT_THAT(store().GetSnapshot(golden).status(), Fails(kNotFound, "SNAPSHOT_NOT_FOUND"));
}

TEST_P(BlockStoreContract, RemoveSnapshotMindsOnlyItsOwnClones) {
  const SnapshotName golden = MakeGolden();
  const SnapshotName other{golden.image, "other"};
  ASSERT_TRUE(store().CreateProtectedSnapshot(other).ok());
  const ImageName disk = Disk();
  ASSERT_TRUE(store().CloneImage(golden, disk).ok());
  const absl::Status removed = store().RemoveSnapshot(other);
  EXPECT_TRUE(removed.ok()) << removed;
  EXPECT_THAT(store().RemoveSnapshot(golden), Fails(kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
}

TEST_P(BlockStoreContract, RemoveSnapshotIsIdempotentAndTakesAnUnprotectedOne) {
  const SnapshotName golden = MakeGolden();
  ASSERT_TRUE(subject().Unprotect(golden).ok());
  const absl::Status removed = store().RemoveSnapshot(golden);
  EXPECT_TRUE(removed.ok()) << removed;
  const absl::Status again = store().RemoveSnapshot(golden);
  EXPECT_TRUE(again.ok()) << again;
  EXPECT_TRUE(store().RemoveImage(golden.image).ok());
}

}  // namespace hvagent::block
