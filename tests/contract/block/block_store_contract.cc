#include "tests/contract/block/block_store_contract.h"

#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {

using hvagent::testing::Fails;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

namespace {

MATCHER_P2(IsProtectedSnapshot, name, size, "") {
  return arg.name == name && arg.size == size && arg.is_protected;
}

}  // namespace

BlockStoreContract::BlockStoreContract() : subject_(GetParam()()) {}

BlockStoreContract::~BlockStoreContract() {
  // Clones are made after their parents, so they go first. A test that removed an image itself
  // gets NOT_FOUND here, which is as good.
  for (auto image = images_.rbegin(); image != images_.rend(); ++image) {
    if (auto info = store().GetImage(*image); info.ok()) {
      for (const SnapshotInfo& snapshot : info->snapshots) {
        EXPECT_OK(store().RemoveSnapshot({*image, snapshot.name}));
      }
      EXPECT_OK(store().RemoveImage(*image)) << image->ToString();
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
  EXPECT_OK(store().CreateImage(name, MiB(16), MiB(4)));
  return name;
}

void BlockStoreContract::Write(const ImageName& image, uint64_t offset_bytes,
                               const std::string& data) {
  auto writer = store().OpenWriter(image);
  ASSERT_OK(writer);
  EXPECT_OK((*writer)->Write(offset_bytes, data));
  EXPECT_OK((*writer)->Finish());
}

std::string BlockStoreContract::Read(const ImageName& image, uint64_t offset_bytes,
                                     size_t length_bytes) {
  auto data = store().ReadImage(image, offset_bytes, length_bytes);
  EXPECT_OK(data);
  return data.value_or("");
}

SnapshotName BlockStoreContract::MakeSnapshot(const ImageName& image) {
  EXPECT_OK(store().CreateProtectedSnapshot({image, "snap"}));
  return {image, "snap"};
}

SnapshotName BlockStoreContract::MakeGolden() {
  const ImageName image = MakeImage(Golden());
  Write(image, MiB(1).count(), "golden");
  return MakeSnapshot(image);
}

constexpr auto kNotFound = absl::StatusCode::kNotFound;
constexpr auto kAlreadyExists = absl::StatusCode::kAlreadyExists;
constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;

const std::string& Zeros() {
  static const std::string zeros(4096, '\0');
  return zeros;
}

TEST_P(BlockStoreContract, IsHealthyAndKnowsItsCluster) {
  EXPECT_OK(store().Health());
  auto cluster = store().GetCluster();
  ASSERT_OK(cluster);
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
  ASSERT_OK(store().CreateImage(image, MiB(20), MiB(8)));

  auto info = store().GetImage(image);
  ASSERT_OK(info);
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
  EXPECT_THAT(store().GetImage(nowhere), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().CreateImage(nowhere, MiB(1), MiB(4)), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().ListImages("no-such-pool", "", 10), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().GetSnapshot({nowhere, "snap"}), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().RemoveImage(nowhere), Fails(kNotFound, "POOL_NOT_FOUND"));

  const ImageName missing = Golden("-missing");
  EXPECT_THAT(store().GetImage(missing), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().GetSnapshot({missing, "snap"}), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().OpenWriter(missing), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().ReadImage(missing, 0, 1), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().AmendImage(missing, {}), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().RenameImage(missing, "x"), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().ListWatchers(missing), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().RemoveImage(missing), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().CreateProtectedSnapshot({missing, "snap"}),
              Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().RemoveSnapshot({missing, "snap"}), Fails(kNotFound, "IMAGE_NOT_FOUND"));

  const ImageName image = MakeImage(Golden());
  EXPECT_THAT(store().GetSnapshot({image, "snap"}), Fails(kNotFound, "SNAPSHOT_NOT_FOUND"));
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
                    ::testing::Property(&absl::Status::message, HasSubstr("no-such-pool"))));
  EXPECT_THAT(store().GetImage(disk), Fails(kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_P(BlockStoreContract, ListsImagesInOrderAndInPages) {
  const ImageName a = MakeImage(Disk("-a")), b = MakeImage(Disk("-b")), c = MakeImage(Disk("-c"));
  // Others may have images there: look only from just before the first to the last.
  const std::string before = a.name.substr(0, a.name.size() - 1);
  auto page = store().ListImages("vms", before, 2);
  ASSERT_OK(page);
  EXPECT_THAT(*page, ElementsAre(a.name, b.name));
  page = store().ListImages("vms", page->back(), 1);
  ASSERT_OK(page);
  EXPECT_THAT(*page, ElementsAre(c.name));
  page = store().ListImages("vms", before, 0);
  ASSERT_OK(page);
  EXPECT_THAT(*page, IsEmpty());
}

TEST_P(BlockStoreContract, WritesLandInAnyOrderAndAcrossObjects) {
  const ImageName image = MakeImage(Golden());
  auto writer = store().OpenWriter(image);
  ASSERT_OK(writer);
  const std::string across(8192, 'b');
  ASSERT_OK((*writer)->Write(MiB(16).count() - 4096, std::string(4096, 'c')));
  ASSERT_OK((*writer)->Write(MiB(4).count() - 4096, across));
  ASSERT_OK((*writer)->Write(0, std::string(4096, 'a')));
  ASSERT_OK((*writer)->Finish());

  EXPECT_EQ(Read(image, 0, 4096), std::string(4096, 'a'));
  EXPECT_EQ(Read(image, 4096, 4096), Zeros());
  EXPECT_EQ(Read(image, MiB(4).count() - 4096, 8192), across);
  EXPECT_EQ(Read(image, MiB(16).count() - 4096, 4096), std::string(4096, 'c'));
}

TEST_P(BlockStoreContract, LargeSparseImageTakesManyWritesInFlight) {
  const ImageName image = Golden();
  ASSERT_OK(store().CreateImage(image, GiB(100), MiB(8)));
  auto writer = store().OpenWriter(image);
  ASSERT_OK(writer);
  for (uint64_t i = 0; i < 100; ++i) {
    ASSERT_OK((*writer)->Write(GiB(i).count(), std::string(MiB(1).count(), char('0' + i % 10))));
  }
  ASSERT_OK((*writer)->Finish());
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
  ASSERT_OK(writer);
  EXPECT_THAT((*writer)->Write(MiB(16).count() - 1, "ab"),
              Fails(absl::StatusCode::kOutOfRange, "WRITE_PAST_END"));
  EXPECT_FALSE((*writer)->Write(0, "a").ok());
  EXPECT_FALSE((*writer)->Finish().ok());
  EXPECT_EQ(Read(image, MiB(16).count() - 1, 1), std::string(1, '\0'));
}

TEST_P(BlockStoreContract, ResizeDuringWritingGrowsAndCutsOff) {
  const ImageName image = MakeImage(Golden());
  auto writer = store().OpenWriter(image);
  ASSERT_OK(writer);
  ASSERT_OK((*writer)->Write(MiB(5).count(), "cut off"));
  ASSERT_OK((*writer)->Write(MiB(1).count(), "stays"));
  ASSERT_OK((*writer)->Resize(MiB(5)));
  ASSERT_OK((*writer)->Resize(MiB(32)));
  ASSERT_OK((*writer)->Write(MiB(31).count(), "grown"));
  ASSERT_OK((*writer)->Finish());

  EXPECT_EQ(Read(image, MiB(1).count(), 5), "stays");
  EXPECT_EQ(Read(image, MiB(5).count(), 7), std::string(7, '\0'));
  EXPECT_EQ(Read(image, MiB(31).count(), 5), "grown");
  EXPECT_EQ(store().GetImage(image)->size, MiB(32));
}

TEST_P(BlockStoreContract, WriterDestroyedBeforeFinishLeavesTheImageFreeToRemove) {
  const ImageName image = MakeImage(Golden());
  {
    auto writer = store().OpenWriter(image);
    ASSERT_OK(writer);
    ASSERT_OK((*writer)->Write(0, std::string(MiB(4).count(), 'x')));
  }
  EXPECT_OK(store().RemoveImage(image));
}

TEST_P(BlockStoreContract, SnapshotKeepsSizeAndContentAndIsProtected) {
  const SnapshotName golden = MakeGolden();
  Write(golden.image, MiB(1).count(), "after!");
  ASSERT_OK(store().AmendImage(golden.image, {MiB(32), {}}));

  auto snapshot = store().GetSnapshot(golden);
  ASSERT_OK(snapshot);
  EXPECT_THAT(*snapshot, IsProtectedSnapshot("snap", MiB(16)));
  EXPECT_THAT(store().GetImage(golden.image)->snapshots, ElementsAre(*snapshot));

  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
}

TEST_P(BlockStoreContract, SnapshotsAreListedOldestFirst) {
  const ImageName image = MakeImage(Golden());
  const absl::Time made = store().GetImage(image)->create_time;
  ASSERT_OK(store().CreateProtectedSnapshot({image, "b"}));
  ASSERT_OK(store().CreateProtectedSnapshot({image, "a"}));
  EXPECT_THAT(store().GetImage(image)->snapshots,
              ElementsAre(IsProtectedSnapshot("b", MiB(16)), IsProtectedSnapshot("a", MiB(16))));
  const auto info = store().GetImage(image);
  ASSERT_OK(info);
  for (const SnapshotInfo& snapshot : info->snapshots) {
    EXPECT_GE(snapshot.create_time, made) << snapshot.name;
  }
}

TEST_P(BlockStoreContract, CreateProtectedSnapshotIsIdempotentAndProtectsOneThatIsThere) {
  const SnapshotName golden = MakeGolden();
  Write(golden.image, MiB(1).count(), "after!");
  ASSERT_OK(subject().Unprotect(golden));
  ASSERT_FALSE(store().GetSnapshot(golden)->is_protected);

  EXPECT_OK(store().CreateProtectedSnapshot(golden));
  EXPECT_TRUE(store().GetSnapshot(golden)->is_protected);
  EXPECT_OK(store().CreateProtectedSnapshot(golden));
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
}

TEST_P(BlockStoreContract, AmendGrowsAndSetsMetadataAndIsIdempotent) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  const ImageChange change{GiB(1), {{"hvagent.vm", "65bd684f"}, {"hvagent.spec", "1"}}};
  for (int time = 0; time < 2; ++time) {
    ASSERT_OK(store().AmendImage(disk, change));
    auto info = store().GetImage(disk);
    ASSERT_OK(info);
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
  EXPECT_THAT(store().AmendImage(image, {MiB(1), {{"a", "1"}}}),
              Fails(kFailedPrecondition, "IMAGE_TOO_LARGE"));
  EXPECT_EQ(store().GetImage(image)->size, MiB(16));
  EXPECT_THAT(store().GetImage(image)->metadata, IsEmpty());
  EXPECT_EQ(Read(image, MiB(15).count(), 4), "tail");
}

TEST_P(BlockStoreContract, AmendLeavesOtherMetadataAlone) {
  const ImageName image = MakeImage(Golden());
  ASSERT_OK(store().AmendImage(image, {std::nullopt, {{"a", "1"}, {"b", "1"}}}));
  ASSERT_OK(store().AmendImage(image, {std::nullopt, {{"b", "2"}}}));
  EXPECT_THAT(store().GetImage(image)->metadata,
              UnorderedElementsAre(Pair("a", "1"), Pair("b", "2")));
}

TEST_P(BlockStoreContract, MetadataOfAnySizeAndNumberIsReadBack) {
  const ImageName image = MakeImage(Golden());
  ImageChange change;
  for (int i = 0; i < 100; ++i) change.metadata[absl::StrCat("key-", i)] = std::string(500, 'v');
  ASSERT_OK(store().AmendImage(image, change));
  EXPECT_EQ(store().GetImage(image)->metadata, change.metadata);
}

TEST_P(BlockStoreContract, RenameKeepsContentMetadataAndClones) {
  const SnapshotName golden = MakeGolden();
  ASSERT_OK(store().AmendImage(golden.image, {std::nullopt, {{"a", "1"}}}));
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  // The new name comes before the clone's in the list that cleans up.
  const ImageName renamed{golden.image.pool, "", golden.image.name + "-renamed"};
  ASSERT_OK(store().RenameImage(golden.image, renamed.name));

  EXPECT_THAT(store().GetImage(golden.image), Fails(kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().GetImage(renamed)->metadata, ElementsAre(Pair("a", "1")));
  EXPECT_EQ(Read(renamed, MiB(1).count(), 6), "golden");
  EXPECT_EQ(store().GetImage(disk)->parent, (SnapshotName{renamed, "snap"}));
  EXPECT_EQ(Read(disk, MiB(1).count(), 6), "golden");
  EXPECT_OK(store().RenameImage(renamed, golden.image.name));
}

TEST_P(BlockStoreContract, RenameRefusesANameThatIsTaken) {
  const ImageName one = MakeImage(Golden()), two = MakeImage(Golden());
  Write(two, 0, "two");
  EXPECT_THAT(store().RenameImage(one, two.name), Fails(kAlreadyExists, "IMAGE_EXISTS"));
  EXPECT_EQ(Read(two, 0, 3), "two");
  EXPECT_OK(store().GetImage(one));
}

TEST_P(BlockStoreContract, RemovedImageIsGone) {
  const ImageName image = MakeImage(Golden());
  EXPECT_OK(store().RemoveImage(image));
  EXPECT_THAT(store().GetImage(image), Fails(kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_P(BlockStoreContract, RemoveNamesTheSnapshotsInTheWay) {
  const SnapshotName golden = MakeGolden();
  ASSERT_OK(store().CreateProtectedSnapshot({golden.image, "second"}));
  const absl::Status status = store().RemoveImage(golden.image);
  EXPECT_THAT(status, Fails(kFailedPrecondition, "IMAGE_HAS_SNAPSHOTS"));
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("snap"), HasSubstr("second")));
}

TEST_P(BlockStoreContract, RemoveNamesTheWatchersOfAnImageInUse) {
  const ImageName image = MakeImage(Disk());
  auto writer = store().OpenWriter(image);
  ASSERT_OK(writer);
  ASSERT_OK((*writer)->Write(0, "in use"));
  const absl::Status status = store().RemoveImage(image);
  EXPECT_THAT(status, Fails(kFailedPrecondition, "IMAGE_IN_USE"));
  const auto watchers = store().ListWatchers(image);
  ASSERT_OK(watchers);
  ASSERT_THAT(*watchers, SizeIs(1));
  EXPECT_THAT(watchers->front(), ::testing::ContainsRegex(":0/[0-9]+"));
  EXPECT_TRUE(store().IsOwnWatcher(watchers->front()));
  EXPECT_FALSE(store().IsOwnWatcher("192.0.2.1:0/1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(watchers->front()));
  ASSERT_OK((*writer)->Finish());
  EXPECT_THAT(*store().ListWatchers(image), IsEmpty());
  EXPECT_EQ(Read(image, 0, 6), "in use");
  EXPECT_OK(store().RemoveImage(image));
}

TEST_P(BlockStoreContract, LookingAtAnImageLeavesNoWatcher) {
  const SnapshotName golden = MakeGolden();
  const ImageName disk = Disk();
  ASSERT_OK(store().CloneImage(golden, disk));
  ASSERT_OK(store().GetImage(disk));
  Read(disk, 0, 4096);
  EXPECT_OK(store().RemoveImage(disk));
}

TEST_P(BlockStoreContract, SnapshotIsMeasuredSinceTheOneBefore) {
  const ImageName image = MakeImage(Golden());
  Write(image, 0, "one");
  Write(image, MiB(9).count(), "three");
  ASSERT_OK(store().CreateProtectedSnapshot({image, "first"}));
  Write(image, MiB(9).count(), "again");
  ASSERT_OK(store().CreateProtectedSnapshot({image, "second"}));
  EXPECT_EQ(*store().MeasureSnapshot({image, "first"}), MiB(8));
  EXPECT_EQ(*store().MeasureSnapshot({image, "second"}), MiB(4));
  EXPECT_THAT(store().MeasureSnapshot({image, "none"}), Fails(kNotFound, "SNAPSHOT_NOT_FOUND"));
}

}  // namespace hvagent::block
