#include "agent/operations/vm_snapshot.h"

#include <memory>
#include <string>
#include <vector>

#include "agent/operations/operation_table.h"
#include "agent/reconcile/vm_disks.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::operations {
namespace {

using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::kImageId;
using ::hvagent::testing::MemoryNode;
using ::hvagent::testing::RecordOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using v1::Operation;

constexpr char kNewImage[] = "golden-2";

// A VM that runs and has written to its disk.
class VmSnapshotTest : public ::testing::Test {
 protected:
  VmSnapshotTest() {
    reconcile::ObservedVm observed;
    for (const auto kind :
         {reconcile::ActionKind::kPrepareRootDisk, reconcile::ActionKind::kDefineDomain,
          reconcile::ActionKind::kStartDomain}) {
      EXPECT_OK(node_.worker.Run(vm_, {kind, ""}, observed));
    }
    auto writer = node_.block.OpenWriter(node_.RootDisk());
    EXPECT_OK(writer);
    EXPECT_OK((*writer)->Write(MiB(1).count(), "written by the guest"));
    EXPECT_OK((*writer)->Finish());
  }

  std::shared_ptr<RunningOperation> Begin(bool require_freeze = false) {
    v1::SnapshotVmRequest request;
    request.set_id(vm_.uuid.ToString());
    request.set_image_id(kNewImage);
    request.set_require_freeze(require_freeze);
    Operation wish;
    wish.set_kind(Operation::VM_SNAPSHOT);
    wish.set_target(kNewImage);
    wish.mutable_request()->PackFrom(request);
    auto operation = table_.Begin(std::move(wish));
    EXPECT_OK(operation);
    return *std::move(operation);
  }

  std::string ReadNewImage() {
    const auto data = node_.block.ReadImage({"images", "", kNewImage}, MiB(1).count(), 20);
    EXPECT_OK(data);
    return data.value_or("");
  }
  std::vector<std::string> Images() { return *node_.block.ListImages("images", "", 100); }
  std::vector<block::SnapshotInfo> SnapshotsOfTheDisk() {
    return node_.block.GetImage(node_.RootDisk())->snapshots;
  }
  bool IsFrozen() { return node_.hypervisor.IsFrozen(vm_.uuid); }

  MemoryNode node_;
  state::VmRecord vm_ = RecordOf(GuideVm());
  ImageCatalog images_{node_.block, "images", "compute-1"};
  VmSnapshot snapshots_{images_, node_.hypervisor, "vms"};
  OperationTable table_{*node_.state, SystemClock()};
};

TEST_F(VmSnapshotTest, MakesAnImageOfItsOwnThatVmsCanBeClonedFrom) {
  const auto operation = Begin();
  const auto result = snapshots_.Run(*operation);
  ASSERT_OK(result);
  const auto& image = std::get<v1::Image>(*result);
  EXPECT_EQ(image.id(), kNewImage);
  EXPECT_TRUE(image.ready());
  EXPECT_EQ(image.size_bytes(), GiB(1).count());
  EXPECT_EQ(ReadNewImage(), "written by the guest");
  EXPECT_EQ(node_.block.GetImage({"images", "", kNewImage})->parent, std::nullopt);
  EXPECT_THAT(SnapshotsOfTheDisk(), IsEmpty());
}

// Else the next VM's new root disk would look like another VM's.
TEST_F(VmSnapshotTest, TheImageSaysNeitherTheVmsMarkNorItsImagesDigest) {
  ASSERT_OK(node_.block.AmendImage(
      node_.RootDisk(), {.metadata = {{kSha256Key, "of the image"}, {kFormatKey, "qcow2"}}}));
  ASSERT_OK(snapshots_.Run(*Begin()));
  const auto image = node_.block.GetImage({"images", "", kNewImage});
  ASSERT_OK(image);
  EXPECT_FALSE(image->metadata.contains(reconcile::kOwnerKey));
  EXPECT_FALSE(image->metadata.contains(kSha256Key));
  EXPECT_FALSE(image->metadata.contains(kFormatKey));
}

TEST_F(VmSnapshotTest, TheGuestIsNotLeftFrozenWhicheverCephCallFails) {
  for (int nth = 1;; ++nth) {
    const auto operation = Begin();
    node_.block.FailNth(nth, absl::InternalError("broken"));
    snapshots_.Run(*operation).status().IgnoreError();
    EXPECT_FALSE(IsFrozen()) << "after the failure of call " << nth;
    if (node_.block.FailurePending()) break;
    images_.Delete(kNewImage).IgnoreError();
  }
}

TEST_F(VmSnapshotTest, AGuestThatARestartLeftFrozenIsThawed) {
  const auto operation = Begin();
  ASSERT_OK(node_.hypervisor.FreezeFilesystems(vm_.uuid));
  ASSERT_OK(node_.block.CreateProtectedSnapshot({node_.RootDisk(), "hvagent-" + operation->id()}));
  ASSERT_OK(snapshots_.Run(*operation));
  EXPECT_FALSE(IsFrozen());
}

TEST_F(VmSnapshotTest, WithoutAnAgentItIsWhatAPowerCutWouldLeave) {
  node_.hypervisor.SetHasAgent(vm_.uuid, false);
  EXPECT_OK(snapshots_.Run(*Begin()));
}

TEST_F(VmSnapshotTest, WithoutAnAgentItFailsWhereFreezingIsRequiredAndLeavesNothing) {
  node_.hypervisor.SetHasAgent(vm_.uuid, false);
  EXPECT_THAT(snapshots_.Run(*Begin(/*require_freeze=*/true)),
              Fails(absl::StatusCode::kFailedPrecondition, "GUEST_AGENT_UNRESPONSIVE"));
  EXPECT_THAT(Images(), ElementsAre(kImageId));
  EXPECT_THAT(SnapshotsOfTheDisk(), IsEmpty());
}

TEST_F(VmSnapshotTest, AGuestThatDoesNotRunIsAtRest) {
  ASSERT_OK(node_.hypervisor.DestroyDomain(vm_.uuid));
  EXPECT_OK(snapshots_.Run(*Begin(/*require_freeze=*/true)));
}

TEST_F(VmSnapshotTest, AnImageThatIsThereIsLeftAlone) {
  node_.AddImage(kNewImage, MiB(40));
  EXPECT_THAT(snapshots_.Check(kNewImage), Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
  EXPECT_THAT(snapshots_.Run(*Begin()), Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
  EXPECT_EQ(node_.block.GetImage({"images", "", kNewImage})->size, MiB(40));
  EXPECT_THAT(SnapshotsOfTheDisk(), IsEmpty());
}

TEST_F(VmSnapshotTest, ACancelledOneLeavesNothing) {
  const auto operation = Begin();
  ASSERT_OK(table_.Cancel(operation->id()));
  EXPECT_EQ(snapshots_.Run(*operation).status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(Images(), ElementsAre(kImageId));
  EXPECT_THAT(SnapshotsOfTheDisk(), IsEmpty());
}

// I5: whichever call to Ceph does not come back, with its effect or without, the job called again
// makes the image, and leaves nothing else.
TEST_F(VmSnapshotTest, WhicheverCephCallTimesOutTheJobCalledAgainFinishesIt) {
  using Effect = block::MemoryBlockStore::Effect;
  for (const Effect effect : {Effect::kNone, Effect::kDone}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(nth);
      const auto operation = Begin();
      node_.block.FailNth(nth, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", "late"),
                          effect);
      const bool was_first = snapshots_.Run(*operation).ok();
      if (node_.block.FailurePending()) {
        ASSERT_TRUE(was_first);
        EXPECT_FALSE(images_.Delete(kNewImage).ok());  // takes the order that still waits
        ASSERT_OK(images_.Delete(kNewImage));
        break;
      }
      if (!was_first) {
        ASSERT_OK(snapshots_.Run(*operation));
      }
      ASSERT_THAT(Images(), UnorderedElementsAre(kImageId, kNewImage));
      ASSERT_EQ(ReadNewImage(), "written by the guest");
      ASSERT_THAT(SnapshotsOfTheDisk(), IsEmpty());
      ASSERT_FALSE(IsFrozen());
      ASSERT_OK(images_.Delete(kNewImage));
    }
  }
}

}  // namespace
}  // namespace hvagent::operations
