#include "agent/operations/volume_create.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/block/memory_block_store.h"
#include "agent/operations/sha256.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::operations {
namespace {

using ::hvagent::testing::Fails;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kId[] = "11111111-0414-4b58-9924-af681091be09";
constexpr char kOther[] = "22222222-0414-4b58-9924-af681091be09";
constexpr char kSnapshot[] = "33333333-0414-4b58-9924-af681091be09";

const block::ImageName kVolume = {"volumes", "", std::string("volume-") + kId};
const block::ImageName kOtherVolume = {"volumes", "", std::string("volume-") + kOther};
const block::SnapshotName kGolden = {{"images", "", "jammy"}, "snap"};

v1::CreateVolumeRequest Blank(uint32_t size_gib = 2, const std::string& id = kId) {
  v1::CreateVolumeRequest request;
  request.set_id(id);
  request.set_size_gib(size_gib);
  return request;
}

v1::CreateVolumeRequest FromImage(const std::string& image = "jammy") {
  v1::CreateVolumeRequest request = Blank();
  request.mutable_source()->set_image_id(image);
  return request;
}

v1::CreateVolumeRequest FromSnapshot() {
  v1::CreateVolumeRequest request = Blank();
  request.mutable_source()->mutable_snapshot()->set_volume_id(kOther);
  request.mutable_source()->mutable_snapshot()->set_snapshot_id(kSnapshot);
  return request;
}

v1::CreateVolumeRequest FromVolume() {
  v1::CreateVolumeRequest request = Blank();
  request.mutable_source()->set_volume_id(kOther);
  return request;
}

// images/jammy@snap of 40 MiB, and another volume of 1 GiB with a snapshot.
class VolumeCreateTest : public ::testing::Test {
 protected:
  VolumeCreateTest() {
    block_.CreatePool("images");
    block_.CreatePool("volumes");
    EXPECT_OK(block_.CreateImage(kGolden.image, MiB(40), MiB(8)));
    EXPECT_OK(block_.CreateProtectedSnapshot(kGolden));
    EXPECT_OK(Create(Blank(1, kOther)));
    EXPECT_OK(volumes_.CreateSnapshot(*Uuid::Parse(kOther), *Uuid::Parse(kSnapshot)));
  }

  absl::StatusOr<v1::Volume> Create(const v1::CreateVolumeRequest& request) {
    return CreateVolume(request, images_, volumes_);
  }
  std::vector<std::string> Pool() { return *block_.ListImages("volumes", "", 100); }
  std::vector<std::string> SnapshotsOfOther() {
    std::vector<std::string> names;
    const auto info = block_.GetImage(kOtherVolume);
    EXPECT_OK(info);
    for (const auto& snapshot : info->snapshots) names.push_back(snapshot.name);
    return names;
  }
  // Only what the fixture made is there.
  void ExpectNothingMade() {
    EXPECT_THAT(Pool(), ElementsAre(kOtherVolume.name));
    EXPECT_THAT(SnapshotsOfOther(), ElementsAre(std::string("snapshot-") + kSnapshot));
  }

  block::MemoryBlockStore block_{"", {}};
  ImageCatalog images_{block_, "images", "compute-1"};
  VolumeCatalog volumes_{block_, "volumes"};
};

TEST_F(VolumeCreateTest, BlankVolumeHasCindersNameAndObjects) {
  const auto volume = Create(Blank());
  ASSERT_OK(volume);
  EXPECT_EQ(volume->name(), kVolume.name);
  EXPECT_EQ(volume->size_bytes(), GiB(2).count());
  EXPECT_EQ(volume->object_size_bytes(), MiB(4).count());
  EXPECT_EQ(volume->made_from(), "blank");
  EXPECT_EQ(volume->parent(), "");
}

TEST_F(VolumeCreateTest, CloneOfAnImageIsGrown) {
  const auto volume = Create(FromImage());
  ASSERT_OK(volume);
  EXPECT_EQ(volume->parent(), "images/jammy@snap");
  EXPECT_EQ(volume->size_bytes(), GiB(2).count());
  EXPECT_EQ(volume->made_from(), "image/jammy");
}

TEST_F(VolumeCreateTest, CloneOfAVolumeGoesThroughASnapshotNamedAfterTheNewOne) {
  const auto volume = Create(FromVolume());
  ASSERT_OK(volume);
  EXPECT_EQ(volume->parent(),
            absl::StrCat("volumes/volume-", kOther, "@volume-", kId, ".clone_snap"));
  ASSERT_OK(volumes_.Delete(*Uuid::Parse(kId)));
  ExpectNothingMade();
}

TEST_F(VolumeCreateTest, SameRequestAgainIsNothingAlsoAfterItWasGrown) {
  ASSERT_OK(Create(FromVolume()));
  ASSERT_OK(volumes_.Resize(*Uuid::Parse(kId), 5, /*dry_run=*/false));
  const auto again = Create(FromVolume());
  ASSERT_OK(again);
  EXPECT_EQ(again->size_bytes(), GiB(5).count());
  EXPECT_EQ(SnapshotsOfOther().size(), 2);
}

TEST_F(VolumeCreateTest, OtherRequestForTheSameIdNamesWhatDiffers) {
  ASSERT_OK(Create(Blank()));
  v1::CreateVolumeRequest other = FromImage();
  other.set_size_gib(3);
  const auto refused = Create(other);
  EXPECT_THAT(refused, Fails(absl::StatusCode::kAlreadyExists, "VOLUME_EXISTS"));
  EXPECT_THAT(
      std::string(refused.status().message()),
      AllOf(HasSubstr("size_gib (2, not 3)"), HasSubstr("source (blank, not image/jammy)")));
}

TEST_F(VolumeCreateTest, VolumeOfAnotherProgramIsNotTakenForOurs) {
  ASSERT_OK(block_.CreateImage(kVolume, GiB(2), MiB(4)));
  EXPECT_THAT(Create(Blank()), Fails(absl::StatusCode::kAlreadyExists, "VOLUME_EXISTS"));
  // A clone copies the mark of its parent, which says another id.
  ASSERT_OK(block_.AmendImage(
      kVolume, {{}, {{kVolumeKey, kOther}, {kVolumeSizeKey, "2"}, {kVolumeSourceKey, "blank"}}}));
  EXPECT_THAT(Create(Blank()), Fails(absl::StatusCode::kAlreadyExists, "VOLUME_EXISTS"));
  EXPECT_EQ(volumes_.Get(*Uuid::Parse(kId))->made_from(), "");
}

TEST_F(VolumeCreateTest, SourceThatDoesNotFitOrIsNotThereIsRefusedBeforeAnyEffect) {
  ASSERT_OK(block_.AmendImage(kOtherVolume, {GiB(3), {}}));
  ASSERT_OK(block_.CreateImage({"images", "", "large"}, GiB(3), MiB(8)));
  ASSERT_OK(block_.CreateProtectedSnapshot({{"images", "", "large"}, "snap"}));
  EXPECT_EQ(ErrorField(Create(FromVolume()).status()), "size_gib");
  EXPECT_EQ(ErrorField(Create(FromImage("large")).status()), "size_gib");
  EXPECT_THAT(Create(FromImage("none")), Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
  v1::CreateVolumeRequest request = FromSnapshot();
  request.mutable_source()->mutable_snapshot()->set_snapshot_id(kOther);
  EXPECT_THAT(Create(request), Fails(absl::StatusCode::kNotFound, "SNAPSHOT_NOT_FOUND"));
  request.mutable_source()->set_volume_id(kSnapshot);
  EXPECT_THAT(Create(request), Fails(absl::StatusCode::kNotFound, "VOLUME_NOT_FOUND"));
  request.mutable_source()->set_volume_id(kId);
  EXPECT_EQ(ErrorField(Create(request).status()), "source.volume_id");
  ASSERT_OK(block_.SetProtected(kGolden, false));
  EXPECT_THAT(Create(FromImage()),
              Fails(absl::StatusCode::kFailedPrecondition, "SNAPSHOT_NOT_PROTECTED"));
  ExpectNothingMade();
}

TEST_F(VolumeCreateTest, DryRunChecksAllAndMakesNothing) {
  for (const auto& request : {Blank(), FromImage(), FromSnapshot(), FromVolume()}) {
    v1::CreateVolumeRequest dry = request;
    dry.set_dry_run(true);
    const auto planned = Create(dry);
    ASSERT_OK(planned);
    EXPECT_EQ(planned->size_bytes(), GiB(2).count());
  }
  v1::CreateVolumeRequest dry = FromImage("none");
  dry.set_dry_run(true);
  EXPECT_THAT(Create(dry), Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
  ExpectNothingMade();
}

// Whichever call fails, and whether or not Ceph carried it out: the same request makes the volume,
// and nothing else remains.
TEST_F(VolumeCreateTest, WhicheverCephCallFailsTheSameRequestFinishes) {
  for (const auto& request : {Blank(), FromImage(), FromSnapshot(), FromVolume()}) {
    for (const auto effect :
         {block::MemoryBlockStore::Effect::kNone, block::MemoryBlockStore::Effect::kDone}) {
      for (int nth = 1;; ++nth) {
        SCOPED_TRACE(absl::StrCat(request.ShortDebugString(), " call ", nth));
        block_.FailNth(nth, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", ""), effect);
        (void)Create(request);
        const bool failed = !block_.FailurePending();
        block_.FailNth(1 << 30, absl::OkStatus());
        ASSERT_OK(Create(request));
        EXPECT_THAT(Pool(), ElementsAre(kVolume.name, kOtherVolume.name));
        EXPECT_EQ(block_.GetImage(kVolume)->size, GiB(2));
        ASSERT_OK(volumes_.Delete(*Uuid::Parse(kId)));
        ExpectNothingMade();
        if (!failed) break;
      }
    }
  }
}

// As a crash leaves it: cloned, but not grown, marked and renamed. The staged name is pinned here,
// since agents of other nodes and versions must find it.
TEST_F(VolumeCreateTest, WhatACrashLeftUnderTheStagedNameIsGoneOnWith) {
  Sha256 hash;
  hash.Update(absl::StrCat(kId, " 2 volume/", kOther));
  const block::SnapshotName parent = {kOtherVolume, kVolume.name + ".clone_snap"};
  ASSERT_OK(block_.CreateProtectedSnapshot(parent));
  ASSERT_OK(block_.CloneImage(
      parent, {"volumes", "", absl::StrCat("hvagent-create-", hash.HexDigest().substr(0, 32))}));
  EXPECT_THAT(*volumes_.List("", 10), SizeIs(1)) << "half a volume is not shown";

  const auto volume = Create(FromVolume());
  ASSERT_OK(volume);
  EXPECT_EQ(volume->size_bytes(), GiB(2).count());
  EXPECT_EQ(volume->made_from(), absl::StrCat("volume/", kOther));
  EXPECT_THAT(Pool(), ElementsAre(kVolume.name, kOtherVolume.name));
}

TEST_F(VolumeCreateTest, IdsThatAreNoUuidsAreRefusedBeforeAnyCall) {
  block_.FailNext(absl::InternalError("asked Ceph"));
  for (const char* id : {"", "a", "a/b", "11111111-0414-4b58-9924-af681091be0"}) {
    EXPECT_EQ(ErrorField(Create(Blank(2, id)).status()), "id") << id;
  }
  EXPECT_EQ(ErrorField(Create(FromImage("a/b")).status()), "source.image_id");
  EXPECT_EQ(ErrorField(Create(Blank(0)).status()), "size_gib");
  EXPECT_EQ(ErrorField(Create(Blank(65537)).status()), "size_gib");
  EXPECT_TRUE(block_.FailurePending());
}

}  // namespace
}  // namespace hvagent::operations
