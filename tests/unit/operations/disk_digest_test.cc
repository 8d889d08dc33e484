#include "agent/operations/disk_digest.h"

#include <string>

#include "gtest/gtest.h"

namespace hvagent::operations {
namespace {

constexpr size_t kBlock = DiskDigest::kBlockBytes;

std::string DigestOf(const std::string& disk) {
  DiskDigest digest;
  digest.Add(0, disk);
  return digest.Get(Bytes(disk.size()));
}

std::string Disk() {
  return std::string(kBlock, 'a') + std::string(kBlock, '\0') + std::string(kBlock, 'b') + "end";
}

TEST(DiskDigestTest, DoesNotDependOnTheOrderOfThePartsNorOnTheirSizes) {
  const std::string disk = Disk();
  DiskDigest digest;
  digest.Add(2 * kBlock, disk.substr(2 * kBlock));
  digest.Add(kBlock, disk.substr(kBlock, kBlock));
  digest.Add(0, disk.substr(0, kBlock));
  EXPECT_EQ(digest.Get(Bytes(disk.size())), DigestOf(disk));
}

TEST(DiskDigestTest, ZerosThatAreLeftOutAreTheSameAsThoseThatCome) {
  const std::string disk = Disk();
  DiskDigest digest;
  digest.Add(0, disk.substr(0, kBlock));
  digest.Add(2 * kBlock, disk.substr(2 * kBlock));
  EXPECT_EQ(digest.Get(Bytes(disk.size())), DigestOf(disk));
}

TEST(DiskDigestTest, TellsWhatAnotherDiskHas) {
  const std::string disk = Disk();
  EXPECT_NE(DigestOf(disk), DigestOf(Disk().replace(kBlock - 1, 1, "b"))) << "one byte";
  EXPECT_NE(DigestOf(disk), DigestOf(Disk().replace(kBlock + 5, 1, "b"))) << "one byte in zeros";
  EXPECT_NE(DigestOf(disk), DigestOf(disk.substr(2 * kBlock, kBlock) + disk.substr(kBlock, kBlock) +
                                     disk.substr(0, kBlock) + "end"))
      << "blocks that changed places";
  EXPECT_NE(DigestOf(disk), DigestOf(disk + '\0')) << "a longer disk";
  EXPECT_NE(DigestOf(std::string(kBlock, '\0')), DigestOf(std::string(2 * kBlock, '\0')));
}

// What is in the cluster is compared with it for years.
TEST(DiskDigestTest, StaysWhatItIs) {
  EXPECT_EQ(DigestOf(Disk()), "26b934c13f26428ca098798ecc39a6c5");
  EXPECT_EQ(DigestOf(std::string(512, '\0')), "2e55997197ac01fa1c0284325cd941d9");
}

}  // namespace
}  // namespace hvagent::operations
