#include "agent/imports/qcow2_map.h"

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/imports/qcow2_bytes.h"

namespace hvagent::imports {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kCluster = kTestClusterBytes;
constexpr uint64_t kL1 = 3 * kCluster;
constexpr uint64_t kL2 = 4 * kCluster;
constexpr uint64_t kData = 5 * kCluster;

using Map = std::optional<std::vector<FileExtent>>;

absl::StatusOr<Map> MapOf(const std::string& file) {
  const auto header =
      InspectQcow2(absl::string_view(file).substr(0, kQcow2HeadBytes), file.size(), GiB(64 << 10));
  EXPECT_OK(header);
  return MapPlainQcow2(*header, file.size(), [&](uint64_t offset, size_t length, char* bytes) {
    EXPECT_LE(offset + length, file.size());
    std::memcpy(bytes, file.data() + offset, length);
    return absl::OkStatus();
  });
}

// With clusters 0 and 1 of the disk as the file's last two, `data` in the first.
std::string TwoClusters() {
  std::string file = Qcow2File(MiB(1).count(), "data");
  file.resize(7 * kCluster);
  Poke(file, kL2 + 8, 6 * kCluster, 8);
  return file;
}

TEST(Qcow2MapTest, NeighboursInBothAreOneExtent) {
  EXPECT_THAT(*MapOf(TwoClusters()),
              ::testing::Optional(ElementsAre(FileExtent{0, kData, 2 * kCluster})));
}

TEST(Qcow2MapTest, WhatLiesApartInTheFileOrOnTheDiskIsApart) {
  std::string file = TwoClusters();
  Poke(file, kL2, 6 * kCluster, 8);
  Poke(file, kL2 + 8, 0, 8);
  Poke(file, kL2 + 24, kData, 8);
  EXPECT_THAT(*MapOf(file),
              ::testing::Optional(ElementsAre(FileExtent{0, 6 * kCluster, kCluster},
                                              FileExtent{3 * kCluster, kData, kCluster})));
}

TEST(Qcow2MapTest, ADiskWithoutDataHasNoExtents) {
  EXPECT_THAT(*MapOf(Qcow2File(MiB(1).count())), ::testing::Optional(IsEmpty()));
  std::string no_table = Qcow2File(MiB(1).count());
  Poke(no_table, kL1, 0, 8);
  EXPECT_THAT(*MapOf(no_table), ::testing::Optional(IsEmpty()));
}

TEST(Qcow2MapTest, AClusterThatReadsAsZerosIsLeftOutWhereverItPoints) {
  std::string file = TwoClusters();
  Poke(file, kL2, kData | 1, 8);
  EXPECT_THAT(*MapOf(file),
              ::testing::Optional(ElementsAre(FileExtent{kCluster, 6 * kCluster, kCluster})));
}

TEST(Qcow2MapTest, NothingIsReadPastTheDisksEnd) {
  std::string file = TwoClusters();
  Poke(file, 24, kCluster + 512, 8);
  file.resize(6 * kCluster + 512);
  EXPECT_THAT(*MapOf(file), ::testing::Optional(ElementsAre(FileExtent{0, kData, kCluster + 512})));
}

struct NotPlain {
  std::string name;
  std::function<void(std::string&)> spoil;
};

class Qcow2MapNotPlainTest : public ::testing::TestWithParam<NotPlain> {};

TEST_P(Qcow2MapNotPlainTest, IsLeftToTheDecoder) {
  std::string file = TwoClusters();
  GetParam().spoil(file);
  const auto map = MapOf(file);
  ASSERT_OK(map);
  EXPECT_FALSE(map->has_value());
}

INSTANTIATE_TEST_SUITE_P(
    Files, Qcow2MapNotPlainTest,
    ::testing::Values(
        NotPlain{"Compressed", [](auto& file) { Poke(file, kL2, kData | 1ULL << 62, 8); }},
        NotPlain{"UnknownL2Bit", [](auto& file) { Poke(file, kL2, kData | 1ULL << 60, 8); }},
        NotPlain{"UnknownL1Bit", [](auto& file) { Poke(file, kL1, kL2 | 1, 8); }},
        NotPlain{"ClusterBetweenClusters", [](auto& file) { Poke(file, kL2, kData + 512, 8); }},
        NotPlain{"TableBetweenClusters", [](auto& file) { Poke(file, kL1, kL2 + 512, 8); }},
        NotPlain{"ClusterPastTheEnd", [](auto& file) { Poke(file, kL2, 7 * kCluster, 8); }},
        NotPlain{"ClusterFarPastTheEnd",
                 [](auto& file) { Poke(file, kL2, 0x00ffffffffff0000, 8); }},
        NotPlain{"TablePastTheEnd", [](auto& file) { Poke(file, kL1, 7 * kCluster, 8); }},
        NotPlain{"LastClusterCutOff", [](auto& file) { file.resize(file.size() - 512); }},
        NotPlain{"ZerosByABitThatVersion2DoesNotHave",
                 [](auto& file) {
                   Poke(file, 4, 2, 4);
                   file.replace(72, 32, std::string(32, '\0'));
                   Poke(file, kL2, kData | 1, 8);
                 }},
        NotPlain{"ExtendedL2", [](auto& file) { Poke(file, 72, 1 << 4, 8); }},
        // Each of them alone is within the file; together they would be read for ever.
        NotPlain{"ManyClustersInOnePlace",
                 [](auto& file) {
                   for (size_t i = 0; i < 16; ++i) Poke(file, kL2 + 8 * i, kData, 8);
                 }},
        NotPlain{"ManyTablesInOnePlace",
                 [](auto& file) {
                   Poke(file, 24, GiB(8).count(), 8);
                   Poke(file, 36, 16, 4);
                   for (size_t i = 0; i < 16; ++i) Poke(file, kL1 + 8 * i, kL2, 8);
                 }}),
    [](const auto& instance) { return instance.param.name; });

TEST(Qcow2MapTest, AFileThatCannotBeReadIsThatError) {
  const std::string file = TwoClusters();
  const auto header = InspectQcow2(file, file.size(), GiB(1));
  ASSERT_OK(header);
  EXPECT_TRUE(absl::IsAborted(MapPlainQcow2(*header, file.size(), [](auto...) {
                                return absl::AbortedError("gone");
                              }).status()));
}

}  // namespace
}  // namespace hvagent::imports
