#include "agent/backup/chain_map.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hvagent::backup {
namespace {

using Interval = ByteSet::Interval;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void Add(v1::BackupPart& part, uint64_t offset, uint64_t length, uint64_t checksum) {
  v1::BackupPart::Extent& extent = *part.add_extents();
  extent.set_offset_bytes(offset);
  extent.set_length_bytes(length);
  extent.set_checksum(checksum);
}

TEST(ByteSetTest, WhatIsMissingIsWhatWasNotAdded) {
  ByteSet set;
  set.Add({10, 20});
  set.Add({30, 40});
  EXPECT_THAT(set.Missing({0, 50}),
              ElementsAre(Interval{0, 10}, Interval{20, 30}, Interval{40, 50}));
  EXPECT_THAT(set.Missing({12, 18}), IsEmpty());
  EXPECT_THAT(set.Missing({15, 35}), ElementsAre(Interval{20, 30}));
  EXPECT_THAT(set.Missing({5, 5}), IsEmpty());
}

TEST(ByteSetTest, NeighboursAndOverlapsBecomeOne) {
  ByteSet set;
  set.Add({10, 20});
  set.Add({20, 30});
  set.Add({5, 12});
  set.Add({28, 50});
  EXPECT_THAT(set.Missing({0, 60}), ElementsAre(Interval{0, 5}, Interval{50, 60}));
}

TEST(OverlayTest, NewestLayerHidesOlderOnes) {
  v1::BackupPart newest, oldest;
  Add(newest, 0, 100, 1);
  Add(oldest, 0, 100, 2);
  const std::vector<Piece> pieces = Overlay({newest, oldest}, 1000);
  ASSERT_THAT(pieces, SizeIs(1));
  EXPECT_EQ(pieces[0].layer, 0);
  EXPECT_TRUE(pieces[0].is_whole());
}

TEST(OverlayTest, WhatIsLeftOfAnExtentIsNotWhole) {
  v1::BackupPart newest, oldest;
  Add(newest, 40, 20, 1);
  Add(oldest, 0, 100, 2);
  const std::vector<Piece> pieces = Overlay({newest, oldest}, 1000);
  ASSERT_THAT(pieces, SizeIs(3));
  EXPECT_EQ(pieces[0].end_bytes(), 40);
  EXPECT_FALSE(pieces[0].is_whole());
  EXPECT_EQ(pieces[1].layer, 0);
  EXPECT_EQ(pieces[2].offset_bytes, 60);
  EXPECT_EQ(pieces[2].length_bytes, 40);
  EXPECT_EQ(pieces[2].extent.offset_bytes(), 0);
}

TEST(OverlayTest, ZerosHideOlderData) {
  v1::BackupPart newest, oldest;
  v1::BackupPart::Extent& zeros = *newest.add_extents();
  zeros.set_offset_bytes(0);
  zeros.set_length_bytes(100);
  Add(oldest, 0, 100, 2);
  const std::vector<Piece> pieces = Overlay({newest, oldest}, 1000);
  ASSERT_THAT(pieces, SizeIs(1));
  EXPECT_FALSE(pieces[0].has_data());
}

TEST(OverlayTest, NothingLiesBehindTheEnd) {
  v1::BackupPart part;
  Add(part, 0, 100, 1);
  Add(part, 200, 100, 2);
  const std::vector<Piece> pieces = Overlay({part}, 50);
  ASSERT_THAT(pieces, SizeIs(1));
  EXPECT_EQ(pieces[0].length_bytes, 50);
}

}  // namespace
}  // namespace hvagent::backup
