#include "agent/operations/volume_flatten.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/block/memory_block_store.h"
#include "agent/operations/operation_table.h"
#include "agent/operations/volume_names.h"
#include "agent/state/state_store.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hvagent/v1/volume_service.pb.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"

namespace hvagent::operations {
namespace {

using ::hvagent::testing::Fails;
using ::testing::IsEmpty;

Uuid Id(char digit) {
  return *Uuid::Parse(absl::StrCat(std::string(8, digit), "-0414-4b58-9924-af681091be09"));
}

class VolumeFlattenTest : public ::testing::Test {
 protected:
  VolumeFlattenTest() {
    block_.CreatePool("volumes");
    EXPECT_OK(block_.CreateImage(volumes_.NameOf(Id('1')), MiB(16), MiB(4)));
    auto writer = block_.OpenWriter(volumes_.NameOf(Id('1')));
    EXPECT_OK((*writer)->Write(MiB(5).count(), "old"));
    EXPECT_OK((*writer)->Finish());
  }

  // Volume `digit` as a clone of volume `source`, marked as an agent marks it.
  void Clone(char source, char digit) {
    const block::SnapshotName parent = {volumes_.NameOf(Id(source)), CloneSnapshotName(Id(digit))};
    const block::ImageName child = volumes_.NameOf(Id(digit));
    ASSERT_OK(block_.CreateProtectedSnapshot(parent));
    ASSERT_OK(block_.CloneImage(parent, child));
    ASSERT_OK(block_.AmendImage(
        child, {std::nullopt,
                {{kVolumeKey, Id(digit).ToString()},
                 {kVolumeSourceKey, absl::StrCat("volume/", Id(source).ToString())}}}));
  }

  std::shared_ptr<RunningOperation> Begin(char digit, bool when_idle = false) {
    v1::FlattenVolumeRequest request;
    request.set_id(Id(digit).ToString());
    request.set_when_idle(when_idle);
    v1::Operation operation;
    operation.set_kind(v1::Operation::VOLUME_FLATTEN);
    operation.mutable_request()->PackFrom(request);
    return *table_.Begin(operation);
  }
  absl::StatusOr<OperationResult> Run(RunningOperation& operation) {
    return FlattenVolume(
        volumes_, [this] { return is_idle_; }, operation);
  }
  std::vector<block::SnapshotInfo> SnapshotsOf(char digit) {
    return block_.GetImage(volumes_.NameOf(Id(digit)))->snapshots;
  }

  bool is_idle_ = true;
  testing::FakeClock clock_;
  std::unique_ptr<state::StateStore> state_ = *state::StateStore::Open(":memory:");
  OperationTable table_{*state_, clock_};
  block::MemoryBlockStore block_{"", {}};
  VolumeCatalog volumes_{block_, "volumes"};
};

TEST_F(VolumeFlattenTest, FlattenedVolumeStandsAloneAndItsCloneSnapshotIsGone) {
  Clone('1', '2');
  const auto operation = Begin('2');
  const auto result = Run(*operation);
  ASSERT_OK(result);
  EXPECT_EQ(std::get<v1::Volume>(*result).parent(), "");
  EXPECT_EQ(*block_.ReadImage(volumes_.NameOf(Id('2')), MiB(5).count(), 3), "old");
  EXPECT_THAT(SnapshotsOf('1'), IsEmpty());
  EXPECT_EQ(table_.Get(operation->id())->bytes_done(), MiB(16).count());
  EXPECT_OK(Run(*operation)) << "a second call";
}

TEST_F(VolumeFlattenTest, EachCallMayBeTheLastBeforeARestart) {
  for (int n = 1;; ++n) {
    Clone('1', '2');
    const auto operation = Begin('2');
    block_.FailNth(n, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "timed out"),
                   block::MemoryBlockStore::Effect::kDone);
    (void)Run(*operation);
    const bool was_last = block_.FailurePending();
    block_.FailNth(0, absl::OkStatus());
    ASSERT_OK(Run(*operation)) << "after call " << n << " failed";
    EXPECT_EQ(volumes_.Get(Id('2'))->parent(), "");
    EXPECT_THAT(SnapshotsOf('1'), IsEmpty()) << "after call " << n << " failed";
    ASSERT_OK(volumes_.Delete(Id('2')));
    if (was_last) break;
  }
}

TEST_F(VolumeFlattenTest, CancelledItIsStillAClone) {
  Clone('1', '2');
  const auto operation = Begin('2');
  ASSERT_OK(table_.Cancel(operation->id()));
  EXPECT_TRUE(absl::IsCancelled(Run(*operation).status()));
  EXPECT_NE(volumes_.Get(Id('2'))->parent(), "");
  EXPECT_EQ(SnapshotsOf('1').size(), 1);
}

TEST_F(VolumeFlattenTest, OneThatIsToWaitWaitsUntilTheNodeIsIdle) {
  Clone('1', '2');
  const auto operation = Begin('2', /*when_idle=*/true);
  is_idle_ = false;
  EXPECT_THAT(Run(*operation), Fails(absl::StatusCode::kUnavailable, "NODE_BUSY"));
  EXPECT_NE(volumes_.Get(Id('2'))->parent(), "");
  is_idle_ = true;
  EXPECT_OK(Run(*operation));
  EXPECT_EQ(volumes_.Get(Id('2'))->parent(), "");
}

TEST_F(VolumeFlattenTest, OneThatIsAskedForNowDoesNotWait) {
  Clone('1', '2');
  is_idle_ = false;
  EXPECT_OK(Run(*Begin('2')));
}

TEST_F(VolumeFlattenTest, VolumeThatWasDeletedMeanwhileIsAnError) {
  EXPECT_THAT(Run(*Begin('9')), Fails(absl::StatusCode::kNotFound, "VOLUME_NOT_FOUND"));
}

TEST_F(VolumeFlattenTest, DepthCountsTheClonesThatAVolumeStandsOn) {
  Clone('1', '2');
  Clone('2', '3');
  EXPECT_EQ(*CloneDepth(block_, volumes_.NameOf(Id('1'))), 0);
  EXPECT_EQ(*CloneDepth(block_, volumes_.NameOf(Id('3'))), 2);
  ASSERT_OK(Run(*Begin('2')));
  EXPECT_EQ(*CloneDepth(block_, volumes_.NameOf(Id('3'))), 1);
}

}  // namespace
}  // namespace hvagent::operations
