#include "agent/operations/image_delete.h"

#include <memory>
#include <string>

#include "agent/block/memory_block_store.h"
#include "agent/block/trash_mark.h"
#include "agent/operations/operation_table.h"
#include "agent/operations/trash_purge.h"
#include "agent/state/state_store.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hvagent/v1/image_service.pb.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"

namespace hvagent::operations {
namespace {

using ::hvagent::testing::Fails;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const block::SnapshotName kGolden = {{"images", "", "jammy"}, kGoldenSnapshot};
const block::ImageName kDisk = {"vms", "", "a_disk"};
const block::ImageName kOther = {"vms", "", "b_disk"};

class ImageDeleteTest : public ::testing::Test {
 protected:
  ImageDeleteTest() {
    block_.CreatePool("images");
    block_.CreatePool("vms");
    MakeImage();
  }

  void MakeImage() {
    EXPECT_OK(block_.CreateImage(kGolden.image, MiB(16), MiB(8)));
    EXPECT_OK(block_.CreateProtectedSnapshot(kGolden));
  }
  void Clone(const block::ImageName& disk) { ASSERT_OK(block_.CloneImage(kGolden, disk)); }
  bool ImageExists() { return block_.GetImage(kGolden.image).ok(); }

  std::shared_ptr<RunningOperation> Begin() {
    v1::DeleteFlattenedImageRequest request;
    request.set_id("jammy");
    v1::Operation operation;
    operation.set_kind(v1::Operation::IMAGE_DELETE);
    operation.mutable_request()->PackFrom(request);
    return *table_.Begin(operation);
  }
  std::vector<block::TrashedImage> Trash() { return *block_.ListTrash("images", "", 10); }
  int Purge() { return *PurgeTrash(block_, "images", clock_); }

  testing::FakeClock clock_;
  std::unique_ptr<state::StateStore> state_ = *state::StateStore::Open(":memory:");
  OperationTable table_{*state_, clock_};
  block::MemoryBlockStore block_{"", {}, clock_};
  ImageCatalog images_{block_, "images", "compute-1"};
};

TEST_F(ImageDeleteTest, ClonesAreFlattenedThenTheImageGoes) {
  Clone(kDisk);
  Clone(kOther);
  const auto operation = Begin();
  ASSERT_OK(DeleteFlattenedImage(images_, *operation));
  EXPECT_FALSE(ImageExists());
  EXPECT_EQ(block_.GetImage(kDisk)->parent, std::nullopt);
  EXPECT_EQ(block_.GetImage(kOther)->parent, std::nullopt);
  EXPECT_EQ(table_.Get(operation->id())->bytes_done(), MiB(32).count());
  EXPECT_EQ(table_.Get(operation->id())->bytes_total(), MiB(32).count());
}

TEST_F(ImageDeleteTest, EachCallMayBeTheLastBeforeARestart) {
  for (int n = 1;; ++n) {
    Clone(kDisk);
    const auto operation = Begin();
    block_.FailNth(n, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "timed out"),
                   block::MemoryBlockStore::Effect::kDone);
    (void)DeleteFlattenedImage(images_, *operation);
    const bool was_last = block_.FailurePending();
    block_.FailNth(0, absl::OkStatus());
    ASSERT_OK(DeleteFlattenedImage(images_, *operation)) << "after call " << n << " failed";
    EXPECT_FALSE(ImageExists());
    EXPECT_EQ(block_.GetImage(kDisk)->parent, std::nullopt);
    ASSERT_OK(block_.RemoveImage(kDisk));
    if (was_last) break;
    MakeImage();
  }
}

TEST_F(ImageDeleteTest, CancelledTheImageIsAsBefore) {
  Clone(kDisk);
  const auto operation = Begin();
  ASSERT_OK(table_.Cancel(operation->id()));
  EXPECT_TRUE(absl::IsCancelled(DeleteFlattenedImage(images_, *operation).status()));
  EXPECT_TRUE(block_.GetSnapshot(kGolden)->is_protected);
  EXPECT_EQ(block_.GetImage(kDisk)->parent, kGolden);
}

TEST_F(ImageDeleteTest, CloneInTheTrashIsNamedWithItsId) {
  Clone(kDisk);
  ASSERT_OK(block_.MoveToTrash(kDisk, absl::ZeroDuration()));
  const std::string id = block_.ListTrash("vms", "", 1)->front().id;
  const auto refused = DeleteFlattenedImage(images_, *Begin());
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(id));
  EXPECT_TRUE(ImageExists());
}

TEST_F(ImageDeleteTest, TrashedImageGoesWhenItsLastCloneAndItsDelayAreOver) {
  Clone(kDisk);
  ASSERT_OK(MoveImageToTrash(images_, "jammy", absl::Hours(1)));
  EXPECT_FALSE(ImageExists());
  EXPECT_TRUE(block_.GetImage(kDisk)->parent_in_trash);
  EXPECT_EQ(Purge(), 0);
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(Purge(), 0) << "it has a clone";
  EXPECT_THAT(Trash(), SizeIs(1));
  ASSERT_OK(block_.RemoveImage(kDisk));
  EXPECT_EQ(Purge(), 1);
  EXPECT_THAT(Trash(), IsEmpty());
  EXPECT_EQ(Purge(), 0) << "once more";
}

TEST_F(ImageDeleteTest, WhatOthersPutIntoTheTrashStaysThere) {
  ASSERT_OK(block_.CreateImage({"images", "", "foreign"}, MiB(8), MiB(8)));
  ASSERT_OK(block_.MoveToTrash({"images", "", "foreign"}, absl::ZeroDuration()));
  // A clone has its parent's mark.
  ASSERT_OK(block_.CreateImage({"images", "", "copy"}, MiB(8), MiB(8)));
  ASSERT_OK(
      block_.AmendImage({"images", "", "copy"}, {std::nullopt, {{block::kTrashKey, "jammy"}}}));
  ASSERT_OK(block_.MoveToTrash({"images", "", "copy"}, absl::ZeroDuration()));
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(Purge(), 0);
  EXPECT_THAT(Trash(), SizeIs(2));
}

TEST_F(ImageDeleteTest, ImageInUseStaysWhatItWas) {
  block_.AddWatcher(kGolden.image, "10.0.0.1:0/1");
  EXPECT_THAT(MoveImageToTrash(images_, "jammy", absl::Hours(1)),
              Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE"));
  EXPECT_TRUE(block_.GetSnapshot(kGolden)->is_protected);
}

TEST_F(ImageDeleteTest, MovingToTheTrashThatWasCutOffIsFinishedByTheSameAgain) {
  for (int n = 1;; ++n) {
    block_.FailNth(n, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "timed out"));
    const absl::Status first = MoveImageToTrash(images_, "jammy", absl::Hours(1));
    const bool was_last = block_.FailurePending();
    block_.FailNth(0, absl::OkStatus());
    if (!first.ok()) {
      ASSERT_OK(MoveImageToTrash(images_, "jammy", absl::Hours(1)));
    }
    EXPECT_FALSE(ImageExists()) << "after call " << n << " failed";
    if (was_last) break;
    MakeImage();
  }
}

TEST_F(ImageDeleteTest, CheckNamesTheClonesAndChangesNothing) {
  EXPECT_OK(images_.CheckDelete("jammy"));
  Clone(kDisk);
  const absl::Status refused = images_.CheckDelete("jammy");
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("vms/a_disk"));
  EXPECT_TRUE(ImageExists());
}

}  // namespace
}  // namespace hvagent::operations
