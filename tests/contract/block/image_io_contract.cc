// The sentences of agent/block/image_io.h.
#include <future>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/contract/block/block_store_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {
namespace {

using ::hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kObject = MiB(4).count();
constexpr uint64_t kWholeImage = MiB(16).count();

absl::StatusOr<std::string> ReadNow(ImageReader& reader, uint64_t offset_bytes,
                                    size_t length_bytes) {
  std::promise<absl::StatusOr<std::string>> answer;
  reader.Read(offset_bytes, length_bytes,
              [&](absl::StatusOr<std::string> data) { answer.set_value(std::move(data)); });
  return answer.get_future().get();
}

// Whether every byte of [offset, offset + length) is in one of `extents` that is of this kind.
bool Covers(const std::vector<Extent>& extents, uint64_t offset, uint64_t length, bool has_data) {
  uint64_t at = offset;
  for (const Extent& extent : extents) {
    if (extent.has_data == has_data && extent.offset_bytes <= at && extent.end_bytes() > at) {
      at = extent.end_bytes();
    }
  }
  return at >= offset + length;
}

TEST_P(BlockStoreContract, ReaderReadsTheImageAsItIsNowAndAsItWas) {
  const ImageName image = MakeImage(Disk());
  Write(image, 4096, "before");
  ASSERT_OK(store().CreateSnapshot({image, "then"}));
  Write(image, 4096, "behind");
  auto now = store().OpenReader(image, "");
  auto then = store().OpenReader(image, "then");
  ASSERT_OK(now);
  ASSERT_OK(then);
  EXPECT_EQ((*now)->size(), MiB(16));
  EXPECT_EQ((*now)->object_size(), MiB(4));
  EXPECT_EQ(ReadNow(**now, 4096, 6).value_or(""), "behind");
  EXPECT_EQ(ReadNow(**then, 4096, 6).value_or(""), "before");
}

TEST_P(BlockStoreContract, ReaderLeavesNoWatcher) {
  const ImageName image = MakeImage(Disk());
  auto reader = store().OpenReader(image, "");
  ASSERT_OK(reader);
  auto watchers = store().ListWatchers(image);
  ASSERT_OK(watchers);
  EXPECT_THAT(*watchers, IsEmpty());
}

TEST_P(BlockStoreContract, ReaderOfWhatIsNotThereSaysWhat) {
  const ImageName image = MakeImage(Disk());
  EXPECT_THAT(store().OpenReader(Disk(), ""),
              Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(store().OpenReader(image, "never"),
              Fails(absl::StatusCode::kNotFound, "SNAPSHOT_NOT_FOUND"));
  auto reader = store().OpenReader(image, "");
  ASSERT_OK(reader);
  EXPECT_THAT((*reader)->Diff("never", 0, kWholeImage),
              Fails(absl::StatusCode::kNotFound, "SNAPSHOT_NOT_FOUND"));
}

TEST_P(BlockStoreContract, DiffOfAnEmptyImageIsEmpty) {
  auto reader = store().OpenReader(MakeImage(Disk()), "");
  ASSERT_OK(reader);
  auto extents = (*reader)->Diff("", 0, kWholeImage);
  ASSERT_OK(extents);
  EXPECT_THAT(*extents, IsEmpty());
}

TEST_P(BlockStoreContract, DiffHasTheDataAndLittleElse) {
  const ImageName image = MakeImage(Disk());
  Write(image, kObject + 8192, std::string(4096, 'x'));
  auto reader = store().OpenReader(image, "");
  ASSERT_OK(reader);
  auto extents = (*reader)->Diff("", 0, kWholeImage);
  ASSERT_OK(extents);
  EXPECT_TRUE(Covers(*extents, kObject + 8192, 4096, /*has_data=*/true));
  uint64_t bytes = 0;
  for (const Extent& extent : *extents) bytes += extent.length_bytes;
  EXPECT_LE(bytes, 64u << 10);
}

TEST_P(BlockStoreContract, DiffLooksOnlyAtItsRangeAndCutsAtObjects) {
  const ImageName image = MakeImage(Disk());
  Write(image, 0, std::string(3 * kObject, 'x'));
  auto reader = store().OpenReader(image, "");
  ASSERT_OK(reader);
  auto extents = (*reader)->Diff("", kObject, 2 * kObject);
  ASSERT_OK(extents);
  EXPECT_THAT(*extents,
              ElementsAre(Extent{kObject, kObject, true}, Extent{2 * kObject, kObject, true}));
}

TEST_P(BlockStoreContract, DiffBetweenSnapshotsHasWhatWasWrittenAndWhatWasZeroed) {
  const ImageName image = MakeImage(Disk());
  Write(image, 0, std::string(3 * kObject, 'x'));
  ASSERT_OK(store().CreateSnapshot({image, "a"}));
  auto writer = store().OpenWriter(image);
  ASSERT_OK(writer);
  EXPECT_OK((*writer)->Write(4096, std::string(4096, 'y')));
  EXPECT_OK((*writer)->WriteZeros(kObject, kObject));
  EXPECT_OK((*writer)->CreateSnapshot("b"));
  EXPECT_OK((*writer)->Write(2 * kObject, "later"));
  EXPECT_OK((*writer)->Finish());

  auto reader = store().OpenReader(image, "b");
  ASSERT_OK(reader);
  auto extents = (*reader)->Diff("a", 0, kWholeImage);
  ASSERT_OK(extents);
  EXPECT_TRUE(Covers(*extents, 4096, 4096, /*has_data=*/true));
  EXPECT_TRUE(Covers(*extents, kObject, kObject, /*has_data=*/false));
  for (const Extent& extent : *extents) EXPECT_LT(extent.offset_bytes, 2 * kObject);
  EXPECT_EQ(ReadNow(**reader, kObject, kObject).value_or(""), std::string(kObject, '\0'));
  EXPECT_EQ(ReadNow(**reader, 2 * kObject, 5).value_or(""), "xxxxx");
}

TEST_P(BlockStoreContract, DiffOfACloneHasWhatItReadsFromItsParent) {
  const SnapshotName golden = MakeGolden();
  const ImageName clone = Disk();
  ASSERT_OK(store().CloneImage(golden, clone));
  auto reader = store().OpenReader(clone, "");
  ASSERT_OK(reader);
  auto extents = (*reader)->Diff("", 0, kWholeImage);
  ASSERT_OK(extents);
  EXPECT_TRUE(Covers(*extents, MiB(1).count(), 6, /*has_data=*/true));
}

TEST_P(BlockStoreContract, ZerosAreWrittenWithinAnObjectAndOverSeveral) {
  const ImageName image = MakeImage(Disk());
  Write(image, 0, std::string(3 * kObject, 'x'));
  auto writer = store().OpenWriter(image);
  ASSERT_OK(writer);
  EXPECT_OK((*writer)->WriteZeros(100, 50));
  EXPECT_OK((*writer)->WriteZeros(kObject - 10, kObject + 20));
  EXPECT_THAT((*writer)->WriteZeros(kWholeImage - 1, 2),
              Fails(absl::StatusCode::kOutOfRange, "WRITE_PAST_END"));
  writer->reset();
  EXPECT_EQ(Read(image, 99, 52), "x" + std::string(50, '\0') + "x");
  EXPECT_EQ(Read(image, kObject - 11, 12), "x" + std::string(11, '\0'));
  EXPECT_EQ(Read(image, 2 * kObject + 9, 2), std::string("\0x", 2));
}

TEST_P(BlockStoreContract, ZerosHideTheParentOfAClone) {
  const SnapshotName golden = MakeGolden();
  const ImageName clone = Disk();
  ASSERT_OK(store().CloneImage(golden, clone));
  auto writer = store().OpenWriter(clone);
  ASSERT_OK(writer);
  EXPECT_OK((*writer)->WriteZeros(0, kObject));
  EXPECT_OK((*writer)->Finish());
  EXPECT_EQ(Read(clone, MiB(1).count(), 6), std::string(6, '\0'));
}

TEST_P(BlockStoreContract, AWriterMarksItsImageAndMakesItsProtectedSnapshot) {
  const ImageName image = MakeImage(Disk());
  auto writer = store().OpenWriter(image);
  ASSERT_OK(writer);
  EXPECT_OK((*writer)->Write(0, "before"));
  EXPECT_OK((*writer)->SetMetadata({{"a", "1"}, {"b", "2"}}));
  EXPECT_OK((*writer)->CreateProtectedSnapshot("snap"));
  EXPECT_OK((*writer)->CreateProtectedSnapshot("snap"));
  EXPECT_OK((*writer)->Write(0, "after!"));
  EXPECT_OK((*writer)->Finish());
  auto info = store().GetImage(image);
  ASSERT_OK(info);
  EXPECT_EQ(info->metadata.at("b"), "2");
  ASSERT_EQ(info->snapshots.size(), 1);
  EXPECT_TRUE(info->snapshots[0].is_protected);
  auto reader = store().OpenReader(image, "snap");
  ASSERT_OK(reader);
  EXPECT_EQ(ReadNow(**reader, 0, 6).value_or(""), "before");
}

TEST_P(BlockStoreContract, PlainSnapshotIsNotProtectedAndMadeOnce) {
  const ImageName image = MakeImage(Disk());
  ASSERT_OK(store().CreateSnapshot({image, "plain"}));
  Write(image, 0, "later");
  ASSERT_OK(store().CreateSnapshot({image, "plain"}));
  auto snapshot = store().GetSnapshot({image, "plain"});
  ASSERT_OK(snapshot);
  EXPECT_FALSE(snapshot->is_protected);
  auto reader = store().OpenReader(image, "plain");
  ASSERT_OK(reader);
  EXPECT_EQ(ReadNow(**reader, 0, 5).value_or(""), std::string(5, '\0'));
}

}  // namespace
}  // namespace hvagent::block
