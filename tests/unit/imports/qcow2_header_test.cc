#include "agent/imports/qcow2_header.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/imports/qcow2_bytes.h"

namespace hvagent::imports {
namespace {

using ::hvagent::testing::Fails;
using ::testing::HasSubstr;

constexpr Bytes kMax = GiB(64 << 10);

absl::StatusOr<Qcow2Header> Inspect(const std::string& file) {
  return InspectQcow2(absl::string_view(file).substr(0, kQcow2HeadBytes), file.size(), kMax);
}

TEST(Qcow2HeaderTest, AnOrdinaryFileOfVersion3IsRead) {
  const auto header = Inspect(Qcow2File(MiB(100).count()));
  ASSERT_OK(header);
  EXPECT_EQ(header->version, 3u);
  EXPECT_EQ(header->virtual_size, MiB(100));
  EXPECT_EQ(header->cluster_size, KiB(64));
}

TEST(Qcow2HeaderTest, AnOrdinaryFileOfVersion2IsRead) {
  std::string file = Qcow2File(MiB(1).count());
  Poke(file, 4, 2, 4);
  file.replace(72, 32, std::string(32, '\0'));
  ASSERT_OK(Inspect(file));
}

TEST(Qcow2HeaderTest, FeaturesThatTheDecoderKnowsAreTaken) {
  std::string zstd = Qcow2File(MiB(1).count());
  Poke(zstd, 72, 1 << 3, 8);
  Poke(zstd, 100, 112, 4);
  zstd[104] = 1;
  EXPECT_OK(Inspect(zstd));
  std::string extended_l2 = Qcow2File(MiB(1).count());
  Poke(extended_l2, 72, 1 << 4, 8);
  EXPECT_OK(Inspect(extended_l2));
}

TEST(Qcow2HeaderTest, ExtensionsThatNameNothingElseAreTaken) {
  std::string file = Qcow2File(MiB(1).count());
  Poke(file, 104, 0x6803f857, 4);  // feature names
  Poke(file, 108, 5, 4);
  EXPECT_OK(Inspect(file));
}

struct Crafted {
  std::string name;
  std::function<void(std::string&)> spoil;
  std::string words;  // that the refusal says
};

class RefusedQcow2Test : public ::testing::TestWithParam<Crafted> {};

TEST_P(RefusedQcow2Test, SaysWhy) {
  std::string file = Qcow2File(MiB(100).count());
  ASSERT_OK(Inspect(file)) << "the file is refused before it is spoilt";
  GetParam().spoil(file);
  const auto header = Inspect(file);
  EXPECT_THAT(header, Fails(absl::StatusCode::kInvalidArgument, "QCOW2_REFUSED"));
  EXPECT_THAT(std::string(header.status().message()), HasSubstr(GetParam().words));
}

std::function<void(std::string&)> Set(size_t at, uint64_t value, size_t bytes) {
  return [=](std::string& file) { Poke(file, at, value, bytes); };
}

// CVE-2011-3147, -2014-0134, -2015-1850, -2015-1851, -2015-5163: a path of the node behind it.
void NameABackingFile(std::string& file) {
  Poke(file, 8, 512, 8);
  Poke(file, 16, 11, 4);
  file.replace(512, 11, "/etc/shadow");
}

// CVE-2024-32498, -2024-40767: the same by the data file; CVE-2024-4467: as "json:", which acts in
// qemu-img info already.
void NameADataFile(std::string& file) {
  Poke(file, 72, 1 << 2, 8);
  Poke(file, 104, 0x44415441, 4);
  Poke(file, 108, 35, 4);
  file.replace(112, 35, "json:{\"file.filename\":\"/etc/shadow\"}");
}

void NameADataFileWithoutTheFeature(std::string& file) {
  NameADataFile(file);
  Poke(file, 72, 0, 8);
}

void HideTheDataFileBehindAnotherExtension(std::string& file) {
  NameADataFileWithoutTheFeature(file);
  file.insert(104, std::string(16, '\0'));
  Poke(file, 104, 0x6803f857, 4);
  Poke(file, 108, 3, 4);
}

INSTANTIATE_TEST_SUITE_P(Crafted, RefusedQcow2Test,
                         ::
                             testing::Values(Crafted{"BackingFile", NameABackingFile,
                                                     "backing file"},
                                             Crafted{"BackingFileWithoutLength", Set(8, 512, 8),
                                                     "backing file"},
                                             Crafted{"BackingFileWithoutOffset", Set(16, 11, 4),
                                                     "backing file"},
                                             Crafted{"ExternalDataFile", NameADataFile,
                                                     "another file"},
                                             Crafted{"DataFileNameOnly",
                                                     NameADataFileWithoutTheFeature,
                                                     "another file"},
                                             Crafted{"DataFileBehindAnotherExtension",
                                                     HideTheDataFileBehindAnotherExtension,
                                                     "another file"},
                                             Crafted{"Dirty", Set(72, 1, 8), "qemu-img check"},
                                             Crafted{"Corrupt", Set(72, 2, 8), "corrupt"},
                                             Crafted{"DirtyAndCorrupt", Set(72, 3, 8), "corrupt"},
                                             Crafted{"UnknownFeature", Set(72, 1 << 5, 8),
                                                     "bits 0x20"},
                                             Crafted{"UnknownFeatureHighBit",
                                                     Set(72, uint64_t{1} << 63, 8),
                                                     "not known here"},
                                             Crafted{"AesEncryption", Set(32, 1, 4), "encrypted"},
                                             Crafted{"LuksEncryption", Set(32, 2, 4), "encrypted"},
                                             Crafted{"LuksExtension", Set(104, 0x0537be77, 4),
                                                     "encrypted"},
                                             Crafted{"ClusterBitsTooFew", Set(20, 8, 4),
                                                     "cluster_bits"},
                                             Crafted{"ClusterBitsTooMany", Set(20, 22, 4),
                                                     "cluster_bits"},
                                             Crafted{"ClusterBitsAbsurd", Set(20, 0xffffffff, 4),
                                                     "cluster_bits"},
                                             // CVE-2013-2096, -2013-4463: a small file of a disk
                                             // that fills the pool.
                                             Crafted{"VirtualSizeAbsurd",
                                                     Set(24, uint64_t{1} << 62, 8),
                                                     "are allowed here"},
                                             Crafted{"VirtualSizeOverflows",
                                                     Set(24, ~uint64_t{0} - 511, 8),
                                                     "are allowed here"},
                                             Crafted{"VirtualSizeZero", Set(24, 0, 8),
                                                     "cannot have 0 bytes"},
                                             Crafted{"VirtualSizeNoSectors", Set(24, 1000, 8),
                                                     "cannot have 1000 bytes"},
                                             // CVE-2015-5162: tables that fill the reader's memory.
                                             Crafted{"L1TableBomb", Set(36, 0xffffffff, 4),
                                                     "L1 table"},
                                             Crafted{"L1TableTooShort", Set(36, 0, 4), "L1 table"},
                                             Crafted{"L1TableUnaligned",
                                                     Set(40, 3 * kTestClusterBytes + 8, 8),
                                                     "L1 table"},
                                             Crafted{"L1TableNowhere", Set(40, 0, 8), "L1 table"},
                                             Crafted{"L1TablePastTheEnd",
                                                     Set(40, uint64_t{1} << 40, 8), "past the end"},
                                             Crafted{"L1TableOffsetOverflows",
                                                     Set(40, ~uint64_t{0} << 16, 8),
                                                     "past the end"},
                                             Crafted{"RefcountTableBomb", Set(56, 0xffffffff, 4),
                                                     "refcount table"},
                                             Crafted{"RefcountTableMissing", Set(56, 0, 4),
                                                     "refcount table"},
                                             Crafted{
                                                 "RefcountTablePastTheEnd",
                                                 Set(48, uint64_t{1} << 40, 8), "past the end"},
                                             Crafted{"RefcountOrder", Set(96, 7, 4),
                                                     "refcount order"},
                                             Crafted{"HeaderTooShort", Set(100, 96, 4), "header"},
                                             Crafted{"HeaderNotAligned", Set(100, 105, 4),
                                                     "header"},
                                             Crafted{"HeaderLongerThanItsCluster", Set(100, 1 << 17, 4),
                                                     "header"},
                                             Crafted{
                                                 "ExtensionTooLong",
                                                 Set(104, 0x12345678ffffffff, 8), "extension"},
                                             Crafted{
                                                 "CompressionTypeOutsideOfTheHeader", Set(72, 1 << 3, 8),
                                                 "compression type"},
                                             Crafted{"CompressionTypeUnknown",
                                                     [](std::string& file) {
                                                       Poke(file, 72, 1 << 3, 8);
                                                       Poke(file, 100, 112, 4);
                                                       file[104] = 2;
                                                     },
                                                     "compression type 2"},
                                             Crafted{"InternalSnapshots", Set(60, 1, 4),
                                                     "internal snapshots"},
                                             Crafted{"CutOffBeforeItsTables",
                                                     [](std::string& file) {
                                                       file.resize(2 * kTestClusterBytes);
                                                     },
                                                     "past the end"}),
                         [](const auto& test) { return test.param.name; });

struct Foreign {
  std::string name;
  std::string head;
};

class OtherFormatTest : public ::testing::TestWithParam<Foreign> {};

TEST_P(OtherFormatTest, IsNamedAndNotTaken) {
  const auto header = Inspect(GetParam().head + std::string(1024, '\0'));
  EXPECT_THAT(header, Fails(absl::StatusCode::kInvalidArgument, "NOT_QCOW2"));
  EXPECT_THAT(std::string(header.status().message()), HasSubstr(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(
    Formats, OtherFormatTest,
    ::testing::Values(Foreign{"VMDK", "KDMV"}, Foreign{"QED", std::string("QED\0", 4)},
                      // CVE-2022-47951: a text that names files of the node as its extents.
                      Foreign{"VMDK",
                              "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\n"
                              "RW 2048 FLAT \"/etc/shadow\" 0\n"},
                      Foreign{"VDI", std::string(64, '<') + "\x7f\x10\xda\xbe"},
                      Foreign{"VHDX", "vhdxfile"}, Foreign{"VHD", "conectix"},
                      Foreign{"gzip", "\x1f\x8b"}, Foreign{"LUKS", "LUKS\xba\xbe"},
                      Foreign{"version 1", std::string("QFI\xfb\0\0\0\1", 8)},
                      Foreign{"version 4", std::string("QFI\xfb\0\0\0\4", 8)},
                      Foreign{"does not begin", "anything"}));

TEST(Qcow2HeaderTest, WhereverAFileIsCutItIsRefused) {
  const std::string file = Qcow2File(MiB(1).count());
  for (size_t length = 0; length < 200; ++length) {
    EXPECT_TRUE(absl::IsInvalidArgument(Inspect(file.substr(0, length)).status())) << length;
  }
}

TEST(Qcow2HeaderTest, TheLargestDiskIsTheCallersToSay) {
  const std::string file = Qcow2File(MiB(100).count());
  EXPECT_OK(InspectQcow2(file, file.size(), MiB(100)));
  EXPECT_THAT(InspectQcow2(file, file.size(), MiB(99)),
              Fails(absl::StatusCode::kInvalidArgument, "QCOW2_REFUSED"));
}

}  // namespace
}  // namespace hvagent::imports
