// Backups that leave as streams and come back, on the memory backends.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/backup/backup_export.h"
#include "agent/backup/backup_import.h"
#include "agent/backup/diff_reader.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/backup_fixture.h"

namespace hvagent::backup {
namespace {

using ::hvagent::testing::BackupFixture;
using ::hvagent::testing::Fails;
using ::hvagent::testing::kTarget;
using ::hvagent::testing::kVolume;
using ::hvagent::testing::VolumeDisk;
using ::hvagent::testing::VolumeImage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;
constexpr char kThird[] = "33333333-0414-4b58-9924-af681091be09";

absl::StatusOr<std::string> Export(BackupFixture& from, const std::string& id,
                                   const std::string& from_id = "") {
  v1::ExportBackupRequest request;
  request.set_id(id);
  request.set_from_id(from_id);
  std::string stream;
  const absl::Status status = ExportBackup(from.world.room, request, [&](const std::string& chunk) {
    stream += chunk;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return stream;
}

DiffReader::Source Pieces(const std::string& stream) {
  auto at = std::make_shared<size_t>(0);
  return [stream, at]() -> absl::StatusOr<std::string> {
    std::string next = stream.substr(std::min(*at, stream.size()), 100000);
    *at += next.size();
    return next;
  };
}

testing::BackupWorld::Job BeginImport(BackupFixture& to, const std::string& volume) {
  v1::Operation wish;
  wish.set_kind(v1::Operation::BACKUP_IMPORT);
  wish.set_target(VolumeImage(volume).ToString());
  return *to.world.table().Begin(std::move(wish));
}

absl::StatusOr<v1::Backup> Import(BackupFixture& to, const std::string& stream,
                                  const std::string& volume = kTarget) {
  return ImportBackup(to.world.room, VolumeDisk(volume), *BeginImport(to, volume), Pieces(stream));
}

std::string RestoredContent(BackupFixture& fixture, const std::string& backup) {
  EXPECT_OK(fixture.world.Restore(backup, kThird, /*in_place=*/false));
  std::string content = fixture.Content(kThird);
  EXPECT_OK(fixture.block.RemoveImage(VolumeImage(kThird)));
  return content;
}

// Nothing of a disk's backups but the index.
void ExpectNothing(BackupFixture& fixture) {
  EXPECT_THAT(fixture.Bases(), IsEmpty());
  std::vector<std::string> objects = fixture.objects.List("backups");
  std::erase(objects, "hvagent.backups");
  EXPECT_THAT(objects, IsEmpty());
}

// What is recorded of backups. Who wrote to a base last is no record: a failed increment takes it
// back, so that the next begins by looking.
std::vector<std::string> Records(BackupFixture& fixture) {
  std::vector<std::string> objects = fixture.objects.List("backups");
  for (const std::string& base : fixture.Bases()) {
    std::erase(objects, absl::StrCat("hvagent.backup-writer.", base));
  }
  return objects;
}

class BackupStreamTest : public ::testing::Test {
 protected:
  // A chain of three on `here_`, with what each holds.
  void MakeChain() {
    const auto add = [&](bool incremental) {
      const auto backup = here_.world.Create(kVolume, incremental);
      ASSERT_OK(backup);
      ids_.push_back(backup->id());
      contents_.push_back(here_.Content());
    };
    add(false);
    here_.Write(1000, std::string(9000, 'i'));
    ZeroOut(500 << 10, 300 << 10);
    add(true);
    ASSERT_OK(here_.block.AmendImage(VolumeImage(), {MiB(24), {}}));
    here_.Write(MiB(20).count() + 5, std::string(70000, 'g'));
    here_.Write(600 << 10, std::string(5000, 'j'));
    add(true);
  }
  void ZeroOut(uint64_t offset, uint64_t length) {
    auto writer = here_.block.OpenWriter(VolumeImage());
    ASSERT_OK(writer);
    EXPECT_OK((*writer)->WriteZeros(offset, length));
    EXPECT_OK((*writer)->Finish());
  }

  BackupFixture here_;
  BackupFixture there_;
  std::vector<std::string> ids_;
  std::vector<std::string> contents_;
};

TEST_F(BackupStreamTest, AWholeBackupIsTheSameInAnotherCluster) {
  MakeChain();
  for (size_t i = 0; i < ids_.size(); ++i) {
    const auto stream = Export(here_, ids_[i]);
    ASSERT_OK(stream);
    const auto backup = Import(there_, *stream);
    ASSERT_OK(backup);
    EXPECT_EQ(backup->parent_id(), "");
    EXPECT_EQ(backup->source_image(), VolumeImage(kTarget).ToString());
    EXPECT_EQ(backup->base(), absl::StrCat("volume-", kTarget, ".backup.", backup->id()));
    ASSERT_OK(there_.world.Verify(backup->id()));
    EXPECT_EQ(RestoredContent(there_, backup->id()), contents_[i]);
  }
}

TEST_F(BackupStreamTest, IncrementsFollowWhatTheyFollowedWhereTheyComeFrom) {
  MakeChain();
  std::vector<std::string> imported;
  for (size_t i = 0; i < ids_.size(); ++i) {
    const auto stream = Export(here_, ids_[i], i == 0 ? "" : ids_[i - 1]);
    ASSERT_OK(stream);
    const auto backup = Import(there_, *stream);
    ASSERT_OK(backup);
    EXPECT_EQ(backup->parent_id(), i == 0 ? "" : imported.back());
    EXPECT_EQ(backup->imported_snapshot(), here_.world.catalog.Get(ids_[i])->snapshot());
    imported.push_back(backup->id());
  }
  EXPECT_THAT(there_.Bases(), SizeIs(1));
  for (size_t i = 0; i < imported.size(); ++i) {
    ASSERT_OK(there_.world.Verify(imported[i]));
    EXPECT_EQ(RestoredContent(there_, imported[i]), contents_[i]);
  }
  // Two steps at once, into a chain that was imported whole.
  ASSERT_OK(Import(there_, *Export(here_, ids_[0])));
  const auto both = Import(there_, *Export(here_, ids_[2], ids_[0]));
  ASSERT_OK(both);
  EXPECT_EQ(RestoredContent(there_, both->id()), contents_[2]);
}

TEST_F(BackupStreamTest, AnIncrementHasWhatChangedAndNoMore) {
  MakeChain();
  const auto stream = Export(here_, ids_[1], ids_[0]);
  ASSERT_OK(stream);
  EXPECT_LE(stream->size(), 9000 + 8192 + 1000);
}

TEST_F(BackupStreamTest, ADamagedBackupIsNotSentAway) {
  MakeChain();
  const auto backup = here_.world.catalog.Get(ids_[0]);
  const block::ImageName base{"backups", "", backup->base()};
  ASSERT_OK(here_.block.RemoveSnapshot({base, backup->snapshot()}));
  auto writer = here_.block.OpenWriter(base);
  ASSERT_OK((*writer)->Write(1000, "!"));
  ASSERT_OK((*writer)->CreateSnapshot(backup->snapshot()));
  ASSERT_OK((*writer)->Finish());
  EXPECT_THAT(Export(here_, ids_[0]), Fails(absl::StatusCode::kDataLoss, "BACKUP_CORRUPT"));
}

TEST_F(BackupStreamTest, AnIncrementSinceWhatItDoesNotFollowIsRefused) {
  MakeChain();
  const auto other = here_.world.Create(kVolume, /*incremental=*/false);
  ASSERT_OK(other);
  EXPECT_THAT(Export(here_, other->id(), ids_[0]),
              Fails(kFailedPrecondition, "BACKUP_NOT_FOLLOWED"));
  EXPECT_THAT(Export(here_, ids_[0], ids_[1]), Fails(kFailedPrecondition, "BACKUP_NOT_FOLLOWED"));
  EXPECT_THAT(Export(here_, ids_[0], ids_[0]), Fails(kFailedPrecondition, "BACKUP_NOT_FOLLOWED"));
  EXPECT_THAT(Export(here_, ids_[0], kTarget),
              Fails(absl::StatusCode::kNotFound, "BACKUP_NOT_FOUND"));
  EXPECT_THAT(Export(here_, "nonsense"), Fails(kInvalid, "INVALID_FIELD"));
}

TEST_F(BackupStreamTest, AnIncrementOfAnotherBaseIsRefusedAndLeavesNothing) {
  MakeChain();
  const auto second = Export(here_, ids_[1], ids_[0]);
  const auto third = Export(here_, ids_[2], ids_[1]);
  EXPECT_THAT(Import(there_, *second), Fails(kFailedPrecondition, "DIFF_HAS_OTHER_BASE"));
  ExpectNothing(there_);
  ASSERT_OK(Import(there_, *Export(here_, ids_[0])));
  const auto refused = Import(there_, *third);
  EXPECT_THAT(refused, Fails(kFailedPrecondition, "DIFF_HAS_OTHER_BASE"));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr(here_.world.catalog.Get(ids_[0])->snapshot()));
  // A whole one came between.
  ASSERT_OK(Import(there_, *Export(here_, ids_[2])));
  EXPECT_THAT(Import(there_, *second), Fails(kFailedPrecondition, "DIFF_HAS_OTHER_BASE"));
}

TEST_F(BackupStreamTest, AStreamThatIsCutOffLeavesNothing) {
  MakeChain();
  const std::string whole = *Export(here_, ids_[0]);
  for (size_t part = 0; part < 20; ++part) {
    EXPECT_THAT(Import(there_, whole.substr(0, whole.size() * part / 20)),
                Fails(kInvalid, "TRUNCATED_STREAM"));
    ExpectNothing(there_);
  }
  ASSERT_OK(Import(there_, whole));
  const auto full = there_.world.catalog.ListOf(VolumeImage(kTarget).ToString())->front();
  const std::string second = *Export(here_, ids_[1], ids_[0]);
  for (size_t part = 0; part < 20; ++part) {
    EXPECT_THAT(Import(there_, second.substr(0, second.size() * part / 20)),
                Fails(kInvalid, "TRUNCATED_STREAM"));
    EXPECT_THAT(there_.SnapshotsOf({"backups", "", full.base()}), ElementsAre(full.snapshot()));
    EXPECT_THAT(Records(there_), SizeIs(3)) << "record, part and index";
  }
  ASSERT_OK(there_.world.Verify(full.id()));
  ASSERT_OK(Import(there_, second));
}

TEST_F(BackupStreamTest, ABaseThatNobodyComesBackToIsKnownAsItsNodes) {
  MakeChain();
  const auto imported = Import(there_, *Export(here_, ids_[0]));
  ASSERT_OK(imported);
  const auto writer = there_.world.catalog.GetWriter(imported->base());
  ASSERT_OK(writer);
  EXPECT_EQ(writer->id, imported->id());
  EXPECT_EQ(writer->node, there_.world.room.node_name);
}

TEST_F(BackupStreamTest, AnIncrementThatShrinksTheDiskIsRefused) {
  MakeChain();
  ASSERT_OK(Import(there_, *Export(here_, ids_[0])));
  std::string stream = *Export(here_, ids_[1], ids_[0]);
  // The size, behind its tag, is 16 MiB.
  const size_t at = stream.find(std::string("s\0\0\0\1", 5));
  ASSERT_NE(at, std::string::npos);
  stream[at + 4] = '\0';
  stream[at + 3] = '\x80';
  EXPECT_THAT(Import(there_, stream), Fails(kFailedPrecondition, "DIFF_HAS_OTHER_BASE"));
}

TEST_F(BackupStreamTest, ACancelledImportLeavesNothing) {
  MakeChain();
  const std::string stream = *Export(here_, ids_[0]);
  const auto job = BeginImport(there_, kTarget);
  ASSERT_OK(there_.world.table().Cancel(job->id()));
  EXPECT_EQ(
      ImportBackup(there_.world.room, VolumeDisk(kTarget), *job, Pieces(stream)).status().code(),
      absl::StatusCode::kCancelled);
  EXPECT_EQ(there_.world.table().Get(job->id())->state(), v1::Operation::CANCELLED);
  ExpectNothing(there_);
}

// Whichever call fails, and whether it had its effect: the backup is there or nothing is, once what
// was left to recovery is settled.
TEST_F(BackupStreamTest, AnImportThatFailsAnywhereIsWholeOrNothing) {
  MakeChain();
  const std::string whole = *Export(here_, ids_[0]);
  const std::string second = *Export(here_, ids_[1], ids_[0]);
  using Effect = block::MemoryBlockStore::Effect;
  for (const Effect effect : {Effect::kNone, Effect::kDone}) {
    for (const bool incremental : {false, true}) {
      for (int nth = 1;; ++nth) {
        SCOPED_TRACE(absl::StrCat(nth, incremental ? ", incremental" : "",
                                  effect == Effect::kDone ? ", done" : ""));
        BackupFixture there;
        if (incremental) {
          ASSERT_OK(Import(there, whole));
        }
        const auto records_before = Records(there);
        const auto bases_before = there.Bases();
        const auto job = BeginImport(there, kTarget);
        there.block.FailNth(
            nth, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "no answer"), effect);
        const auto imported = ImportBackup(there.world.room, VolumeDisk(kTarget), *job,
                                           Pieces(incremental ? second : whole));
        const bool all_were_tried = there.block.FailurePending();
        there.block.FailNth(0, absl::OkStatus());
        if (imported.ok()) {
          ASSERT_EQ(RestoredContent(there, imported->id()), contents_[incremental ? 1 : 0]);
        } else {
          if (there.world.table().Get(job->id())->state() == v1::Operation::RUNNING) {
            EXPECT_THAT(SettleBackupImport(there.world.room, *job),
                        Fails(absl::StatusCode::kAborted, "CUT_OFF"));
          }
          ASSERT_EQ(there.Bases(), bases_before);
          ASSERT_EQ(Records(there), records_before);
          if (incremental) {
            const auto again = Import(there, second);
            ASSERT_OK(again);
            ASSERT_EQ(RestoredContent(there, again->id()), contents_[1]);
          }
        }
        if (all_were_tried) break;
      }
    }
  }
}

}  // namespace
}  // namespace hvagent::backup
