#include "agent/operations/image_file_import.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/block/memory_block_store.h"
#include "agent/operations/disk_digest.h"
#include "agent/operations/operation_table.h"
#include "agent/operations/sha256.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/imports/qcow2_bytes.h"

namespace hvagent::operations {
namespace {

using Effect = block::MemoryBlockStore::Effect;
using ::hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using v1::Image;

constexpr char kId[] = "debian-12";

std::string DigestOf(absl::string_view content) {
  Sha256 hash;
  hash.Update(content);
  return hash.HexDigest();
}

std::string DiskDigestOf(absl::string_view disk) {
  DiskDigest digest;
  digest.Add(0, disk);
  return digest.Get(Bytes(disk.size()));
}

// A disk whose first cluster is compressed, which only the decoder reads.
std::string CompressedQcow2(absl::string_view data) {
  // A stored block of raw deflate: what follows it is not read.
  std::string file = imports::Qcow2File(MiB(10).count(), "stored");
  constexpr uint64_t kCompressed = uint64_t{1} << 62;
  constexpr size_t kBody = 5 * imports::kTestClusterBytes;
  std::string cluster(imports::kTestClusterBytes, '\0');
  cluster.replace(0, data.size(), data.data(), data.size());
  std::string deflated;
  // In two blocks: one holds 65,535 bytes at most.
  const auto add_block = [&](absl::string_view part, bool is_last) {
    const auto length = static_cast<uint16_t>(part.size());
    const auto inverse = static_cast<uint16_t>(~length);
    deflated += is_last ? '\1' : '\0';
    for (const uint16_t number : {length, inverse}) {
      deflated += static_cast<char>(number & 0xff);
      deflated += static_cast<char>(number >> 8);
    }
    deflated.append(part.data(), part.size());
  };
  add_block(absl::string_view(cluster).substr(0, 4096), /*is_last=*/false);
  add_block(absl::string_view(cluster).substr(4096), /*is_last=*/true);
  file.resize(kBody + 2 * imports::kTestClusterBytes);
  file.replace(kBody, deflated.size(), deflated);
  // 128 further sectors: clusters of 64 KiB have 8 bits for them, from bit 54 on.
  imports::Poke(file, 4 * imports::kTestClusterBytes, kCompressed | uint64_t{128} << 54 | kBody, 8);
  return file;
}

// Mostly zeros, with data where pieces meet and at the end.
std::string Disk() {
  std::string disk((3 << 20) + 512, '\0');
  disk.replace(0, 6, "header");
  disk.replace((1 << 20) - 2, 4, "over");
  disk.replace(disk.size() - 4, 4, "tail");
  return disk;
}

class ImageFileImportTest : public ::testing::Test {
 protected:
  ImageFileImportTest() {
    block_.CreatePool("images");
    EXPECT_NE(mkdtemp(options_.folder.data()), nullptr);
  }
  ~ImageFileImportTest() override { std::filesystem::remove_all(options_.folder); }

  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(absl::StrCat(options_.folder, "/", name), std::ios::binary) << bytes;
  }

  std::shared_ptr<RunningOperation> Begin(const std::string& file, Image::Format format,
                                          const std::string& sha256 = "") {
    v1::ImportImageFileRequest request;
    request.set_id(kId);
    request.set_path(file);
    request.set_format(format);
    request.set_sha256(sha256);
    EXPECT_OK(CheckImportFile(request));
    v1::Operation operation;
    operation.set_kind(v1::Operation::IMAGE_IMPORT);
    operation.mutable_request()->PackFrom(request);
    return *table_.Begin(operation);
  }

  absl::StatusOr<Image> Run(RunningOperation& operation) {
    ASSIGN_OR_RETURN(const OperationResult result, ImportImageFile(catalog_, options_, operation));
    return std::get<Image>(result);
  }

  absl::StatusOr<Image> Import(const std::string& file, Image::Format format = Image::RAW,
                               const std::string& sha256 = "") {
    return Run(*Begin(file, format, sha256));
  }

  std::vector<std::string> Pool() { return *block_.ListImages("images", "", 100); }
  std::string Read() { return *block_.ReadImage({"images", "", kId}, 0, 64 << 20); }

  block::MemoryBlockStore block_{"", {}};
  ImageCatalog catalog_{block_, "images", "compute-1"};
  ImportOptions options_{.folder = "/tmp/hvagent-test.XXXXXX"};
  std::unique_ptr<state::StateStore> state_ = *state::StateStore::Open(":memory:");
  OperationTable table_{*state_, SystemClock()};
};

TEST_F(ImageFileImportTest, ARawFileBecomesAnImage) {
  Write("disk.raw", Disk());
  const auto image = Import("disk.raw", Image::RAW, DigestOf(Disk()));
  ASSERT_OK(image);
  EXPECT_TRUE(image->ready());
  EXPECT_EQ(image->sha256(), DigestOf(Disk()));
  EXPECT_EQ(image->source_format(), Image::RAW);
  EXPECT_TRUE(Read() == Disk());
  EXPECT_THAT(Pool(), ElementsAre(kId));
}

TEST_F(ImageFileImportTest, HolesOfTheFileAreInItsDigestsToo) {
  Write("disk.raw", "begin");
  std::filesystem::resize_file(options_.folder + "/disk.raw", 8 << 20);
  std::string whole(8 << 20, '\0');
  whole.replace(0, 5, "begin");
  const auto image = Import("disk.raw", Image::RAW, DigestOf(whole));
  ASSERT_OK(image);
  EXPECT_EQ(image->sha256(), DigestOf(whole));
  EXPECT_EQ(image->disk_digest(), DiskDigestOf(whole));
  EXPECT_TRUE(Read() == whole);
}

TEST_F(ImageFileImportTest, TheSha256IsNotMadeWhereNobodyAsksForIt) {
  Write("disk.raw", Disk());
  const auto image = Import("disk.raw");
  ASSERT_OK(image);
  EXPECT_EQ(image->sha256(), "");
  EXPECT_EQ(image->disk_digest(), DiskDigestOf(Disk()));
  Write("disk.raw", Disk().replace(1000, 1, "x"));
  EXPECT_THAT(Import("disk.raw"), Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
  EXPECT_TRUE(Read() == Disk());
}

// The disk is the same, whatever was known of it when it was imported.
TEST_F(ImageFileImportTest, TheSameFileIsKnownByEitherDigest) {
  Write("disk.raw", Disk());
  ASSERT_OK(Import("disk.raw"));
  EXPECT_OK(Import("disk.raw", Image::RAW, DigestOf(Disk())));
  ASSERT_OK(catalog_.Delete(kId));
  ASSERT_OK(Import("disk.raw", Image::RAW, DigestOf(Disk())));
  EXPECT_OK(Import("disk.raw"));
}

// As agents made them before there were digests of disks.
TEST_F(ImageFileImportTest, AnImageWithNothingButASha256IsComparedByThat) {
  const block::ImageName name{"images", "", kId};
  ASSERT_OK(block_.CreateImage(name, Bytes(Disk().size()), MiB(8)));
  ASSERT_OK(block_.AmendImage(
      name, {.grow_to = {}, .metadata = {{kSha256Key, DigestOf(Disk())}}, .remove_metadata = {}}));
  ASSERT_OK(block_.CreateProtectedSnapshot({name, kGoldenSnapshot}));
  Write("disk.raw", Disk());
  EXPECT_OK(Import("disk.raw"));
  Write("disk.raw", Disk().replace(1000, 1, "x"));
  EXPECT_THAT(Import("disk.raw"), Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
}

TEST_F(ImageFileImportTest, TheDiskInAQcow2FileBecomesAnImage) {
  const std::string data(imports::kTestClusterBytes, 'd');
  const std::string file = imports::Qcow2File(MiB(10).count(), data);
  Write("disk.qcow2", file);
  const auto image = Import("disk.qcow2", Image::QCOW2, DigestOf(file));
  ASSERT_OK(image);
  EXPECT_EQ(image->size_bytes(), MiB(10).count());
  EXPECT_EQ(image->sha256(), DigestOf(file)) << "the digest is the file's, not the disk's";
  EXPECT_EQ(image->source_format(), Image::QCOW2);
  const std::string disk = data + std::string(MiB(10).count() - data.size(), '\0');
  EXPECT_EQ(image->disk_digest(), DiskDigestOf(disk));
  EXPECT_TRUE(Read() == disk);
}

TEST_F(ImageFileImportTest, CompressedClustersAreReadByTheDecoderAndMakeTheSameDisk) {
  Write("disk.qcow2", CompressedQcow2("data"));
  const auto image = Import("disk.qcow2", Image::QCOW2);
  ASSERT_OK(image);
  const std::string disk = "data" + std::string(MiB(10).count() - 4, '\0');
  EXPECT_TRUE(Read() == disk);
  EXPECT_EQ(image->disk_digest(), DiskDigestOf(disk));
}

TEST_F(ImageFileImportTest, OnlyAFileThatIsNotPlainNeedsTheSandbox) {
  options_.decoder.sandbox_program = "/nowhere/bwrap";
  Write("plain.qcow2", imports::Qcow2File(MiB(1).count(), "data"));
  Write("compressed.qcow2", CompressedQcow2("data"));
  EXPECT_THAT(Import("compressed.qcow2", Image::QCOW2),
              Fails(absl::StatusCode::kFailedPrecondition, "SANDBOX_UNAVAILABLE"));
  EXPECT_OK(Import("plain.qcow2", Image::QCOW2));
}

TEST_F(ImageFileImportTest, AQcow2FileThatIsDeclaredRawIsItsBytes) {
  const std::string file = imports::Qcow2File(MiB(10).count());
  Write("disk.qcow2", file);
  ASSERT_OK(Import("disk.qcow2", Image::RAW));
  EXPECT_TRUE(Read() == file);
}

TEST_F(ImageFileImportTest, TheSameFileAgainIsANoOpAndInAnotherFormatAConflict) {
  Write("disk.qcow2", imports::Qcow2File(MiB(1).count()));
  const auto first = Import("disk.qcow2", Image::QCOW2);
  ASSERT_OK(first);
  const auto again = Import("disk.qcow2", Image::QCOW2);
  ASSERT_OK(again);
  EXPECT_EQ(again->create_time().nanos(), first->create_time().nanos());
  EXPECT_THAT(Import("disk.qcow2", Image::RAW),
              Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
  Write("other.raw", std::string(512, 'y'));
  EXPECT_THAT(Import("other.raw"), Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
}

TEST_F(ImageFileImportTest, WhatIsWrongWithTheFileLeavesNothing) {
  Write("odd.raw", std::string(700, 'x'));
  Write("empty.raw", "");
  Write("disk.raw", Disk());
  std::string refused = imports::Qcow2File(MiB(1).count());
  imports::Poke(refused, 8, 512, 8);
  Write("backing.qcow2", refused);
  std::string damaged = imports::Qcow2File(MiB(1).count(), "data");
  imports::Poke(damaged, 4 * imports::kTestClusterBytes, uint64_t{1} << 63 | 512, 8);
  Write("damaged.qcow2", damaged);
  using absl::StatusCode;
  EXPECT_THAT(Import("odd.raw"), Fails(StatusCode::kInvalidArgument, "INVALID_FIELD"));
  EXPECT_THAT(Import("empty.raw"), Fails(StatusCode::kInvalidArgument, "INVALID_FIELD"));
  EXPECT_THAT(Import("none.raw"), Fails(StatusCode::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_THAT(Import("../none"), Fails(StatusCode::kInvalidArgument, "INVALID_FIELD"));
  EXPECT_THAT(Import("disk.raw", Image::RAW, std::string(64, '0')),
              Fails(StatusCode::kInvalidArgument, "DIGEST_MISMATCH"));
  EXPECT_THAT(Import("disk.raw", Image::QCOW2), Fails(StatusCode::kInvalidArgument, "NOT_QCOW2"));
  EXPECT_THAT(Import("backing.qcow2", Image::QCOW2),
              Fails(StatusCode::kInvalidArgument, "QCOW2_REFUSED"));
  EXPECT_THAT(Import("damaged.qcow2", Image::QCOW2),
              Fails(StatusCode::kInvalidArgument, "QCOW2_UNREADABLE"));
  EXPECT_THAT(Pool(), IsEmpty());
}

TEST_F(ImageFileImportTest, WhatTheRequestAloneHasWrongIsNoOperation) {
  const auto field = [](const std::string& id, const std::string& path, const std::string& sha256) {
    v1::ImportImageFileRequest request;
    request.set_id(id);
    request.set_path(path);
    request.set_sha256(sha256);
    return ErrorField(CheckImportFile(request)).value_or("none");
  };
  EXPECT_EQ(field("a/b", "disk.raw", ""), "id");
  EXPECT_EQ(field("hvagent-import-1", "disk.raw", ""), "id");
  EXPECT_EQ(field(kId, "", ""), "path");
  EXPECT_EQ(field(kId, std::string(5000, 'a'), ""), "path");
  EXPECT_EQ(field(kId, "disk.raw", "abc"), "sha256");
  EXPECT_EQ(field(kId, "disk.raw", ""), "none");
}

TEST_F(ImageFileImportTest, ACancelledImportLeavesNothing) {
  Write("disk.raw", Disk());
  const auto operation = Begin("disk.raw", Image::RAW);
  ASSERT_OK(table_.Cancel(operation->id()));
  EXPECT_TRUE(absl::IsCancelled(Run(*operation).status()));
  EXPECT_THAT(Pool(), IsEmpty());
}

TEST_F(ImageFileImportTest, WhatWasCutOffByAStopIsDoneWhenItIsCalledAgain) {
  Write("disk.raw", Disk());
  auto operation = Begin("disk.raw", Image::RAW);
  operation->RequestStop();
  EXPECT_THAT(Run(*operation), Fails(absl::StatusCode::kUnavailable, "AGENT_STOPPING"));
  // As SIGKILL leaves it: something is staged under the operation's name.
  ASSERT_OK(block_.CreateImage(catalog_.StagedNameOf(operation->id()), MiB(1), MiB(8)));
  operation->LeaveToRecovery();
  operation = table_.Adopt()->front();
  ASSERT_OK(Run(*operation));
  EXPECT_TRUE(Read() == Disk());
  EXPECT_THAT(Pool(), ElementsAre(kId));
}

// Whichever call to Ceph fails, with or without having had its effect: there is a whole image or
// none, and called again the job comes to its end.
TEST_F(ImageFileImportTest, WhicheverCephCallFailsThereIsAWholeImageOrNone) {
  Write("disk.qcow2", CompressedQcow2("data"));
  for (const Effect effect : {Effect::kNone, Effect::kDone}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(nth);
      const auto operation = Begin("disk.qcow2", Image::QCOW2);
      block_.FailNth(nth, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "no answer"),
                     effect);
      const auto image = Run(*operation);
      if (block_.FailurePending()) {
        ASSERT_OK(image);
        break;
      }
      if (!image.ok()) {
        const absl::StatusOr<Image> there = catalog_.Get(kId);
        EXPECT_TRUE(!there.ok() || there->ready());
        ASSERT_OK(Run(*operation));
      }
      ASSERT_THAT(Pool(), ElementsAre(kId));
      ASSERT_EQ(Read().substr(0, 5), std::string("data\0", 5));
      ASSERT_OK(catalog_.Delete(kId));
    }
    block_.FailNth(0, absl::OkStatus());
    ASSERT_OK(catalog_.Delete(kId));
  }
}

}  // namespace
}  // namespace hvagent::operations
