#include "agent/operations/image_import.h"

#include <memory>
#include <string>
#include <vector>

#include "agent/block/memory_block_store.h"
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
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using v1::Operation;

constexpr char kId[] = "debian-12";
constexpr size_t kChunkBytes = 1 << 20;

absl::Status GoOn() { return absl::OkStatus(); }

std::string DigestOf(absl::string_view content) {
  Sha256 hash;
  hash.Update(content);
  return hash.HexDigest();
}

// A disk of 3 MiB and a sector, mostly zeros.
std::string Disk() {
  std::string disk((3 << 20) + 512, '\0');
  disk.replace(0, 6, "header");
  disk.replace(disk.size() - 4, 4, "tail");
  return disk;
}

// A pool and a node's operations, which the tests look at from both sides.
class Importer {
 public:
  Importer() : state_(*state::StateStore::Open(":memory:")) { block.CreatePool("images"); }

  absl::StatusOr<std::unique_ptr<ImageImport>> Begin(const std::string& id, uint64_t size_bytes,
                                                     const std::string& sha256 = "") {
    v1::ImportImageRequest::Header header;
    header.set_format(format);
    header.set_id(id);
    header.set_size_bytes(size_bytes);
    header.set_sha256(sha256);
    return ImageImport::Begin(header, options, catalog, table);
  }

  // A whole stream, as the service plays it.
  absl::StatusOr<v1::Image> Import(absl::string_view content, uint64_t size_bytes,
                                   const std::string& sha256 = "") {
    auto import = Begin(kId, size_bytes, sha256);
    if (!import.ok()) return import.status();
    for (size_t at = 0; at < content.size(); at += kChunkBytes) {
      absl::Status status = (*import)->Write(std::string(content.substr(at, kChunkBytes)));
      if (!status.ok()) {
        (*import)->Abort(status);
        return status;
      }
    }
    if (size_bytes == 0) RETURN_IF_ERROR((*import)->SetTotal(content.size()));
    return (*import)->Finish(GoOn);
  }

  // Every image in the pool, staged ones too.
  std::vector<std::string> Pool() { return *block.ListImages("images", "", 100); }
  std::string Read(const std::string& id) {
    return *block.ReadImage({"images", "", id}, 0, 64 << 20);
  }
  Operation LastOperation() { return table.List("", 1)->front(); }

  void Journal(const Operation& operation) { ASSERT_OK(state_->PutOperation(operation)); }

  // As after a restart, or when Ceph is back.
  absl::Status Recover() {
    ASSIGN_OR_RETURN(const auto cut_off, table.Adopt());
    for (const auto& operation : cut_off) {
      RETURN_IF_ERROR(operation->Finish(ImageImport::SettleCutOff(catalog, *operation)));
    }
    return absl::OkStatus();
  }

  block::MemoryBlockStore block{"", {}};
  ImageCatalog catalog{block, "images", "compute-1"};
  ImportOptions options{.spool = {.folder = "/tmp", .keep_free = Bytes(0)}};
  v1::Image::Format format = v1::Image::RAW;

 private:
  std::unique_ptr<state::StateStore> state_;

 public:
  OperationTable table{*state_, SystemClock()};
};

absl::Status Timeout() {
  return Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "no answer");
}

// How many calls to Ceph the import of `content` takes.
int CallsToImport(const std::string& content) {
  for (int nth = 1;; ++nth) {
    Importer importer;
    importer.block.FailNth(nth, absl::UnavailableError("counting"));
    importer.Import(content, content.size()).IgnoreError();
    if (importer.block.FailurePending()) return nth - 1;
  }
}

TEST(ImageImportTest, MakesAnImageThatVmsCanBeClonedFrom) {
  Importer importer;
  const std::string disk = Disk();
  const auto image = importer.Import(disk, disk.size(), DigestOf(disk));
  ASSERT_OK(image);
  EXPECT_TRUE(image->ready());
  EXPECT_EQ(image->size_bytes(), disk.size());
  EXPECT_EQ(image->object_size_bytes(), MiB(8).count());
  EXPECT_EQ(image->sha256(), DigestOf(disk));
  EXPECT_EQ(importer.Read(kId), disk);
  EXPECT_THAT(importer.Pool(), ElementsAre(kId));
  EXPECT_EQ(importer.LastOperation().state(), Operation::SUCCEEDED);
  EXPECT_EQ(importer.LastOperation().bytes_done(), disk.size());
}

TEST(ImageImportTest, ZerosAreNotWritten) {
  const std::string zeros(1 << 20, '\0');
  std::string one_block = zeros;
  one_block[300'000] = 'x';
  std::string neighbours = zeros;
  neighbours[10] = neighbours[64 << 10] = 'x';
  std::string apart = zeros;
  apart.front() = apart.back() = 'x';
  const int none = CallsToImport(zeros);
  EXPECT_EQ(CallsToImport(one_block), none + 1);
  EXPECT_EQ(CallsToImport(neighbours), none + 1) << "what lies together is written together";
  EXPECT_EQ(CallsToImport(apart), none + 2);
}

TEST(ImageImportTest, AnImageOfUnknownSizeGrowsAndIsCutToWhatCame) {
  Importer importer;
  const std::string disk = Disk();
  const auto image = importer.Import(disk, 0);
  ASSERT_OK(image);
  EXPECT_EQ(image->size_bytes(), disk.size());
  EXPECT_EQ(importer.Read(kId), disk);
}

TEST(ImageImportTest, UntilItIsWholeItHasNoProperName) {
  Importer importer;
  auto import = importer.Begin(kId, 1024);
  ASSERT_OK(import);
  ASSERT_OK((*import)->Write(std::string(1024, 'x')));
  EXPECT_THAT(importer.Pool(),
              ElementsAre("hvagent-import-" + (*import)->operation_id() + "-compute-1"));
  EXPECT_THAT(*importer.catalog.List("", 10), IsEmpty()) << "staged images are not listed";
  ASSERT_OK((*import)->Finish(GoOn));
  EXPECT_THAT(importer.Pool(), ElementsAre(kId));
}

struct Refusal {
  std::string name;
  std::string content;
  uint64_t size_bytes;
  std::string sha256;
  std::string reason;
};

class RefusedImportTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedImportTest, SaysWhyAndLeavesNothing) {
  Importer importer;
  const Refusal& refusal = GetParam();
  EXPECT_THAT(importer.Import(refusal.content, refusal.size_bytes, refusal.sha256),
              Fails(absl::StatusCode::kInvalidArgument, refusal.reason));
  EXPECT_THAT(importer.Pool(), IsEmpty());
  EXPECT_EQ(importer.LastOperation().state(), Operation::FAILED);
}

INSTANTIATE_TEST_SUITE_P(
    BadStreams, RefusedImportTest,
    ::testing::Values(Refusal{"Truncated", std::string(512, 'x'), 1024, "", "TRUNCATED_STREAM"},
                      Refusal{"Empty", "", 0, "", "TRUNCATED_STREAM"},
                      Refusal{"MoreThanPromised", std::string(1024, 'x'), 512, "", "INVALID_FIELD"},
                      Refusal{"NoWholeSectors", std::string(700, 'x'), 0, "", "INVALID_FIELD"},
                      Refusal{"WrongDigest", std::string(512, 'x'), 512, std::string(64, '0'),
                              "DIGEST_MISMATCH"}),
    [](const auto& test) { return test.param.name; });

TEST(ImageImportTest, ABadHeaderIsRefusedBeforeThereIsAnOperation) {
  Importer importer;
  const auto field = [&](const std::string& id, uint64_t size, const std::string& sha256) {
    return ErrorField(importer.Begin(id, size, sha256).status()).value_or("none");
  };
  for (const std::string& id : {std::string(""), std::string("a/b"), std::string("a@snap"),
                                std::string("a:b"), std::string("a\\b"), std::string("a\tb"),
                                std::string(300, 'a'), std::string("hvagent-import-1")}) {
    EXPECT_EQ(field(id, 512, ""), "header.id") << id;
  }
  EXPECT_EQ(field(kId, 700, ""), "header.size_bytes");
  EXPECT_EQ(field(kId, uint64_t{1} << 60, ""), "header.size_bytes");
  EXPECT_EQ(field(kId, 512, "abc"), "header.sha256");
  EXPECT_EQ(field(kId, 512, std::string(64, 'A')), "header.sha256");
  EXPECT_THAT(*importer.table.List("", 10), IsEmpty());
  EXPECT_THAT(importer.Pool(), IsEmpty());
}

TEST(ImageImportTest, ACancelledImportLeavesNothing) {
  Importer importer;
  auto import = importer.Begin(kId, 1024);
  ASSERT_OK(import);
  ASSERT_OK((*import)->Write(std::string(512, 'x')));
  ASSERT_OK(importer.table.Cancel((*import)->operation_id()));
  const absl::Status status = (*import)->Write(std::string(512, 'x'));
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  (*import)->Abort(status);
  EXPECT_THAT(importer.Pool(), IsEmpty());
  EXPECT_EQ(importer.LastOperation().state(), Operation::CANCELLED);
}

TEST(ImageImportTest, AnImportThatIsGivenUpLeavesNothing) {
  Importer importer;
  {
    auto import = importer.Begin(kId, 1024);
    ASSERT_OK(import);
    ASSERT_OK((*import)->Write(std::string(512, 'x')));
  }
  EXPECT_THAT(importer.Pool(), IsEmpty());
  EXPECT_EQ(importer.LastOperation().state(), Operation::CANCELLED);
}

TEST(ImageImportTest, TheSameContentAgainIsANoOp) {
  Importer importer;
  const std::string disk = Disk();
  const auto first = importer.Import(disk, disk.size());
  ASSERT_OK(first);
  for (const std::string& digest : {std::string(), DigestOf(disk)}) {
    const auto again = importer.Import(disk, disk.size(), digest);
    ASSERT_OK(again);
    EXPECT_EQ(again->create_time().nanos(), first->create_time().nanos());
  }
  EXPECT_THAT(importer.Pool(), ElementsAre(kId));
}

TEST(ImageImportTest, OtherContentUnderTheSameIdIsRefused) {
  Importer importer;
  const std::string disk = Disk();
  ASSERT_OK(importer.Import(disk, disk.size()));
  const std::string other(512, 'y');
  // With a digest it is known at once; without one, when all has come.
  for (const std::string& digest : {DigestOf(other), std::string()}) {
    const auto refused = importer.Import(other, other.size(), digest);
    EXPECT_THAT(refused, Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("images/debian-12"));
  }
  EXPECT_EQ(importer.Read(kId), disk);
}

TEST(ImageImportTest, AnImageThatAnotherProgramMadeIsNotReplaced) {
  Importer importer;
  ASSERT_OK(importer.block.CreateImage({"images", "", kId}, MiB(1), MiB(4)));
  EXPECT_THAT(importer.Import(Disk(), 0), Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
  EXPECT_EQ(importer.block.GetImage({"images", "", kId})->size, MiB(1));
}

TEST(ImageImportTest, TwoAtOnceOfTheSameContentBothSucceed) {
  Importer importer;
  auto first = importer.Begin(kId, 512);
  auto second = importer.Begin(kId, 512);
  ASSERT_OK(first);
  ASSERT_OK(second);
  for (auto* import : {&*first, &*second}) ASSERT_OK((*import)->Write(std::string(512, 'x')));
  EXPECT_OK((*second)->Finish(GoOn));
  EXPECT_OK((*first)->Finish(GoOn));
  EXPECT_THAT(importer.Pool(), ElementsAre(kId));
}

TEST(ImageImportTest, OfTwoAtOnceWithOtherContentTheSlowerIsRefused) {
  Importer importer;
  auto first = importer.Begin(kId, 512);
  auto second = importer.Begin(kId, 512);
  ASSERT_OK(first);
  ASSERT_OK(second);
  ASSERT_OK((*first)->Write(std::string(512, 'x')));
  ASSERT_OK((*second)->Write(std::string(512, 'y')));
  EXPECT_OK((*second)->Finish(GoOn));
  EXPECT_THAT((*first)->Finish(GoOn), Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
  EXPECT_THAT(importer.Pool(), ElementsAre(kId));
  EXPECT_EQ(importer.Read(kId), std::string(512, 'y'));
}

TEST(ImageImportTest, WhatCannotBeRemovedWhileCephIsAwayIsRemovedByRecovery) {
  Importer importer;
  auto import = importer.Begin(kId, 1024);
  ASSERT_OK(import);
  ASSERT_OK((*import)->Write(std::string(512, 'x')));
  const absl::Status away = Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "away");
  importer.block.SetHealth(away);
  (*import)->Abort(away);
  EXPECT_EQ(importer.LastOperation().state(), Operation::RUNNING) << "it is not over yet";
  importer.block.SetHealth(absl::OkStatus());
  ASSERT_OK(importer.Recover());
  EXPECT_THAT(importer.Pool(), IsEmpty());
  EXPECT_EQ(importer.LastOperation().state(), Operation::FAILED);
}

TEST(ImageImportTest, AQcow2FileIsReadOnceItIsWhole) {
  Importer importer;
  importer.format = v1::Image::QCOW2;
  const std::string data(imports::kTestClusterBytes, 'd');
  const std::string file = imports::Qcow2File(MiB(10).count(), data);
  for (const uint64_t size_bytes : {uint64_t{file.size()}, uint64_t{0}}) {
    const auto image = importer.Import(file, size_bytes, DigestOf(file));
    ASSERT_OK(image);
    EXPECT_EQ(image->size_bytes(), MiB(10).count());
    EXPECT_EQ(image->sha256(), DigestOf(file));
    EXPECT_EQ(image->source_format(), v1::Image::QCOW2);
    EXPECT_EQ(importer.LastOperation().state(), Operation::SUCCEEDED);
    const std::string disk = data + std::string(MiB(10).count() - data.size(), '\0');
    EXPECT_TRUE(importer.Read(kId) == disk);
  }
  EXPECT_THAT(importer.Pool(), ElementsAre(kId));
}

TEST(ImageImportTest, TheSameBytesInAnotherFormatAreAnotherImage) {
  Importer importer;
  const std::string file = imports::Qcow2File(MiB(1).count());
  ASSERT_OK(importer.Import(file, file.size()));
  importer.format = v1::Image::QCOW2;
  EXPECT_THAT(importer.Import(file, file.size()),
              Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
}

TEST(ImageImportTest, AQcow2FileThatIsRefusedOrDamagedLeavesNothing) {
  Importer importer;
  importer.format = v1::Image::QCOW2;
  std::string refused = imports::Qcow2File(MiB(1).count());
  imports::Poke(refused, 8, 512, 8);
  EXPECT_THAT(importer.Import(refused, refused.size()),
              Fails(absl::StatusCode::kInvalidArgument, "QCOW2_REFUSED"));
  std::string damaged = imports::Qcow2File(MiB(1).count(), "data");
  imports::Poke(damaged, 4 * imports::kTestClusterBytes, uint64_t{1} << 63 | 512, 8);
  EXPECT_THAT(importer.Import(damaged, damaged.size()),
              Fails(absl::StatusCode::kInvalidArgument, "QCOW2_UNREADABLE"));
  EXPECT_EQ(importer.LastOperation().state(), Operation::FAILED);
  EXPECT_THAT(importer.Pool(), IsEmpty());
}

TEST(ImageImportTest, AQcow2FileThatIsTooLargeForTheNodeIsRefusedBeforeItComes) {
  Importer importer;
  importer.format = v1::Image::QCOW2;
  importer.options.spool.max_size = MiB(1);
  EXPECT_THAT(importer.Begin(kId, MiB(2).count()),
              Fails(absl::StatusCode::kResourceExhausted, "SPOOL_FULL"));
  EXPECT_EQ(importer.LastOperation().state(), Operation::FAILED);
}

TEST(ImageImportTest, AClientThatLeavesWhileItsFileIsReadLeavesNothing) {
  Importer importer;
  importer.format = v1::Image::QCOW2;
  const std::string file = imports::Qcow2File(MiB(1).count(), "data");
  // Asked while the decoder starts, while it reads, and for each piece that it has read.
  for (int asked_before = 0; asked_before < 3; ++asked_before) {
    auto import = importer.Begin(kId, file.size());
    ASSERT_OK(import);
    ASSERT_OK((*import)->Write(file));
    int asked = 0;
    const auto image = (*import)->Finish(
        [&] { return asked++ < asked_before ? absl::OkStatus() : absl::CancelledError("gone"); });
    EXPECT_TRUE(absl::IsCancelled(image.status())) << image.status();
    EXPECT_EQ(importer.LastOperation().state(), Operation::CANCELLED);
    EXPECT_THAT(importer.Pool(), IsEmpty());
  }
}

// The last call of an import, which gives the image its name.
int RenameCall(const std::string& disk) { return CallsToImport(disk) - 1; }

TEST(ImageImportTest, ARenameThatTimedOutButHadItsEffectIsASuccess) {
  const std::string disk = Disk();
  Importer importer;
  importer.block.FailNth(RenameCall(disk), Timeout(), Effect::kDone);
  const auto image = importer.Import(disk, disk.size());
  ASSERT_OK(image);
  EXPECT_TRUE(image->ready());
  EXPECT_EQ(importer.LastOperation().state(), Operation::SUCCEEDED);
  EXPECT_THAT(importer.Pool(), ElementsAre(kId));
}

TEST(ImageImportTest, ARenameThatTimedOutWithoutEffectIsUndone) {
  const std::string disk = Disk();
  Importer importer;
  importer.block.FailNth(RenameCall(disk), Timeout());
  EXPECT_THAT(importer.Import(disk, disk.size()),
              Fails(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT"));
  EXPECT_EQ(importer.LastOperation().state(), Operation::FAILED);
  EXPECT_THAT(importer.Pool(), IsEmpty());
}

// As after a restart between the rename and its record.
TEST(ImageImportTest, RecoveryFindsAnImageThatGotItsNameBeforeTheCut) {
  const std::string disk = Disk();
  Importer importer;
  ASSERT_OK(importer.Import(disk, disk.size()));
  Operation cut_off = importer.LastOperation();
  cut_off.set_state(Operation::RUNNING);
  cut_off.clear_image();
  importer.Journal(cut_off);
  ASSERT_OK(importer.Recover());
  EXPECT_EQ(importer.LastOperation().state(), Operation::SUCCEEDED);
  EXPECT_EQ(importer.LastOperation().image().sha256(), DigestOf(disk));
  EXPECT_THAT(importer.Pool(), ElementsAre(kId));
}

TEST(ImageImportTest, RecoveryTakesNoOtherImportsImageForItsOwn) {
  const std::string disk = Disk();
  Importer importer;
  ASSERT_OK(importer.Import(disk, disk.size()));
  auto second = importer.Begin(kId, disk.size());
  ASSERT_OK(second);
  const absl::Status away = Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "away");
  importer.block.SetHealth(away);
  (*second)->Abort(away);
  importer.block.SetHealth(absl::OkStatus());
  ASSERT_OK(importer.Recover());
  EXPECT_EQ(importer.LastOperation().state(), Operation::FAILED);
  EXPECT_THAT(importer.Pool(), ElementsAre(kId));
}

// I5: whichever call to Ceph fails, with or without having had its effect, there is a whole image
// or none, nothing staged once recovery has looked, and the same import again succeeds.
TEST(ImageImportTest, WhicheverCephCallFailsThereIsAWholeImageOrNone) {
  const std::string disk = Disk();
  for (const uint64_t size_bytes : {uint64_t{disk.size()}, uint64_t{0}}) {
    for (const Effect effect : {Effect::kNone, Effect::kDone}) {
      for (int nth = 1;; ++nth) {
        SCOPED_TRACE(nth);
        Importer importer;
        importer.block.FailNth(nth, Timeout(), effect);
        const auto image = importer.Import(disk, size_bytes);
        if (importer.block.FailurePending()) {
          ASSERT_OK(image);
          break;
        }
        ASSERT_OK(importer.Recover());
        const std::vector<std::string> left = importer.Pool();
        if (!left.empty()) {
          ASSERT_THAT(left, ElementsAre(kId));
          ASSERT_TRUE(importer.catalog.Get(kId)->ready());
          ASSERT_EQ(importer.Read(kId), disk);
        }
        ASSERT_OK(importer.Import(disk, size_bytes));
        ASSERT_THAT(importer.Pool(), ElementsAre(kId));
      }
    }
  }
}

}  // namespace
}  // namespace hvagent::operations
