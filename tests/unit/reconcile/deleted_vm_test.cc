// A deletion loses nothing at once: its disks go by way of the trash, and come back with its spec.
#include <memory>
#include <string>
#include <vector>

#include "agent/block/trash_mark.h"
#include "agent/operations/trash_purge.h"
#include "agent/reconcile/desired_vms.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::kVmUuid;
using ::hvagent::testing::MemoryNode;
using state::Disposal;
using state::VmRecord;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The desired state of one node, whose VMs are worked on when a test says so.
struct Desk {
  explicit Desk(MemoryNode& node, const Clock& clock = SystemClock())
      : board(clock, feed),
        reconciler({}, node.worker, node.hypervisor, *node.state, board, clock),
        requests(*node.state, clock),
        vms(*node.state, requests, node.worker, reconciler, clock) {}

  VmFeed feed;
  StatusBoard board;
  Reconciler reconciler;
  state::RequestLog requests;
  DesiredVms vms;
};

v1::VmSpec VmWithDrive() {
  v1::VmSpec spec = GuideVm();
  spec.mutable_cloud_init()->set_user_data("#cloud-config\n");
  return spec;
}

class DeletedVmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(desk_->vms.Create(VmWithDrive(), {}));
    ASSERT_OK(Settle());
    ASSERT_OK(node_->block.AmendImage(node_->RootDisk(), {.metadata = {{"test.data", "mine"}}}));
  }

  // Looks until there is nothing left to do, as the reconciler would.
  absl::Status Settle() {
    for (int looks = 0; looks < 10; ++looks) {
      ASSIGN_OR_RETURN(const auto vm, node_->state->GetVm(uuid_));
      if (!vm.has_value()) return absl::OkStatus();
      ASSIGN_OR_RETURN(ObservedVm observed, node_->worker.Observe(*vm));
      ASSIGN_OR_RETURN(const std::vector<Action> actions, Plan(*vm, observed));
      if (actions.empty()) return absl::OkStatus();
      for (const Action& action : actions) {
        RETURN_IF_ERROR(node_->worker.Run(*vm, action, observed));
      }
    }
    return absl::InternalError("it does not come to rest");
  }

  void Delete(Disposal disposal) {
    ASSERT_OK(desk_->vms.Delete(kVmUuid, disposal, {}));
    ASSERT_OK(Settle());
    ASSERT_FALSE(node_->HasDomain());
    ASSERT_FALSE(node_->state->GetVm(uuid_)->has_value());
  }

  std::vector<std::string> Disks() { return *node_->block.ListImages("vms", "", 10); }
  std::vector<block::TrashedImage> Trash() { return *node_->block.ListTrash("vms", "", 10); }

  // As it was before it was deleted, but for its power.
  void ExpectBack() {
    const auto vm = node_->state->GetVm(uuid_);
    ASSERT_TRUE(vm.ok() && vm->has_value());
    EXPECT_EQ((*vm)->spec.power_state(), v1::STOPPED);
    EXPECT_EQ((*vm)->spec.cloud_init().user_data(), "#cloud-config\n");
    EXPECT_EQ(node_->hypervisor.GetDomain(uuid_)->state, hypervisor::DomainState::kShutOff);
    EXPECT_THAT(Disks(), SizeIs(2));
    EXPECT_THAT(Trash(), IsEmpty());
    const auto disk = node_->block.GetImage(node_->RootDisk());
    ASSERT_OK(disk);
    EXPECT_EQ(disk->metadata.at("test.data"), "mine") << "not cloned anew";
    EXPECT_FALSE(disk->metadata.contains(block::kTrashKey));
  }

  const Uuid uuid_ = *Uuid::Parse(kVmUuid);
  std::unique_ptr<MemoryNode> node_ = std::make_unique<MemoryNode>();
  std::unique_ptr<Desk> desk_ = std::make_unique<Desk>(*node_);
};

TEST_F(DeletedVmTest, ItsDisksAreInTheTrashAndItComesBackAsItWas) {
  const int64_t generation = desk_->vms.Find(kVmUuid)->generation;
  Delete(Disposal::kTrash);
  EXPECT_THAT(Disks(), IsEmpty());
  ASSERT_THAT(Trash(), SizeIs(2));
  EXPECT_EQ(Trash().front().kept_until - Trash().front().trashed_at, absl::Hours(24));

  ASSERT_OK(desk_->vms.Undelete("instance-00000028", {}));
  ASSERT_OK(Settle());
  ExpectBack();
  const auto vm = desk_->vms.Find(kVmUuid);
  EXPECT_GT(vm->generation, generation);
  EXPECT_FALSE(vm->claimed);
  EXPECT_THAT(*node_->state->ListDeletedVms(Uuid(), 10), IsEmpty());

  ASSERT_OK(desk_->vms.SetPower(kVmUuid, v1::RUNNING, false, {}));
  ASSERT_OK(Settle());
  EXPECT_EQ(node_->hypervisor.GetDomain(uuid_)->state, hypervisor::DomainState::kRunning);
}

TEST_F(DeletedVmTest, UndeletingAgainChangesNothing) {
  Delete(Disposal::kTrash);
  const auto first = desk_->vms.Undelete(kVmUuid, {});
  ASSERT_OK(first);
  EXPECT_EQ(desk_->vms.Undelete(kVmUuid, {})->generation, first->generation);
  ASSERT_OK(Settle());
  EXPECT_EQ(desk_->vms.Undelete(kVmUuid, {})->generation, first->generation);
}

TEST_F(DeletedVmTest, OnlyADeletedVmCanBeUndeleted) {
  EXPECT_THAT(desk_->vms.Undelete(kVmUuid, {}),
              Fails(absl::StatusCode::kAlreadyExists, "VM_EXISTS"));
  ASSERT_OK(desk_->vms.Delete(kVmUuid, Disposal::kTrash, {}));
  EXPECT_THAT(desk_->vms.Undelete(kVmUuid, {}),
              Fails(absl::StatusCode::kFailedPrecondition, "VM_DELETING"));
  EXPECT_THAT(desk_->vms.Undelete(Uuid::Random().ToString(), {}),
              Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
}

TEST_F(DeletedVmTest, AVmWhoseNameIsTakenStaysDeleted) {
  Delete(Disposal::kTrash);
  v1::VmSpec other = GuideVm();
  other.set_uuid(Uuid::Random().ToString());
  ASSERT_OK(desk_->vms.Create(other, {}));
  EXPECT_THAT(desk_->vms.Undelete(kVmUuid, {}),
              Fails(absl::StatusCode::kAlreadyExists, "VM_NAME_TAKEN"));
  EXPECT_THAT(Trash(), SizeIs(2));
  EXPECT_THAT(*node_->state->ListDeletedVms(Uuid(), 10), SizeIs(1));
}

TEST_F(DeletedVmTest, ADiskThatHasTheNameMeanwhileIsAConflictAndStays) {
  Delete(Disposal::kTrash);
  ASSERT_OK(node_->block.CreateImage(node_->RootDisk(), GiB(1), MiB(4)));
  const auto refused = desk_->vms.Undelete(kVmUuid, {});
  EXPECT_THAT(refused, Fails(absl::StatusCode::kAlreadyExists, "DISK_NAME_TAKEN"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(node_->RootDisk().ToString()));
  EXPECT_THAT(Trash(), SizeIs(2));
  ASSERT_OK(node_->block.RemoveImage(node_->RootDisk()));
  ASSERT_OK(desk_->vms.Undelete(kVmUuid, {}));
  ASSERT_OK(Settle());
  ExpectBack();
}

TEST_F(DeletedVmTest, AVmThatWasMadeAnewIsNotReplacedByTheOldOne) {
  Delete(Disposal::kTrash);
  ASSERT_OK(desk_->vms.Create(GuideVm(), {}));
  ASSERT_OK(Settle());
  EXPECT_THAT(desk_->vms.Undelete(kVmUuid, {}),
              Fails(absl::StatusCode::kAlreadyExists, "VM_EXISTS"));
  EXPECT_FALSE(node_->block.GetImage(node_->RootDisk())->metadata.contains("test.data"));
  // Of two that have the name in the trash, the one that was deleted last comes back.
  Delete(Disposal::kTrash);
  ASSERT_THAT(Trash(), SizeIs(3));
  ASSERT_OK(desk_->vms.Undelete(kVmUuid, {}));
  ASSERT_OK(Settle());
  EXPECT_FALSE(node_->block.GetImage(node_->RootDisk())->metadata.contains("test.data"));
}

TEST_F(DeletedVmTest, OnceTheDelayIsOverItIsTooLateAndAnyNodeEmptiesTheTrash) {
  testing::FakeClock later;
  later.Advance(absl::Now() + absl::Hours(25) - later.Now());
  Delete(Disposal::kTrash);
  EXPECT_EQ(*operations::PurgeTrash(node_->block, "vms", SystemClock()), 0);
  EXPECT_THAT(Trash(), SizeIs(2));
  Desk tomorrow(*node_, later);
  EXPECT_THAT(tomorrow.vms.Undelete(kVmUuid, {}),
              Fails(absl::StatusCode::kFailedPrecondition, "UNDELETE_TOO_LATE"));
  ASSERT_OK(node_->state->PruneDeletedVms(later.Now()));
  EXPECT_THAT(tomorrow.vms.Undelete(kVmUuid, {}),
              Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
}

TEST_F(DeletedVmTest, WhoEmptiedTheTrashByHandIsToldThatTheVmCannotComeBack) {
  Delete(Disposal::kTrash);
  for (const block::TrashedImage& trashed : Trash()) {
    ASSERT_OK(node_->block.RestoreFromTrash("vms", trashed.id, trashed.id));
  }
  EXPECT_THAT(desk_->vms.Undelete(kVmUuid, {}),
              Fails(absl::StatusCode::kFailedPrecondition, "DISK_NOT_IN_TRASH"));
}

TEST_F(DeletedVmTest, WithoutReturnTheDisksAreGoneAndTheVmIsForgotten) {
  Delete(Disposal::kRemove);
  EXPECT_THAT(Disks(), IsEmpty());
  EXPECT_THAT(Trash(), IsEmpty());
  EXPECT_THAT(desk_->vms.Undelete(kVmUuid, {}), Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
}

TEST_F(DeletedVmTest, KeptDisksAreNobodysUntilAVmAdoptsThem) {
  Delete(Disposal::kKeep);
  EXPECT_THAT(Disks(), SizeIs(2));
  EXPECT_THAT(Trash(), IsEmpty());
  const auto kept = node_->block.GetImage(node_->RootDisk());
  EXPECT_FALSE(MarkOf(*kept).has_value());
  ASSERT_TRUE(KeptMarkOf(*kept).has_value());
  EXPECT_EQ(KeptMarkOf(*kept)->vm, kVmUuid);

  // A VM that wants a clone is not given old data.
  ASSERT_OK(desk_->vms.Create(GuideVm(), {}));
  EXPECT_THAT(Settle(), Fails(absl::StatusCode::kAlreadyExists, "ROOT_DISK_NOT_OURS"));
  ASSERT_OK(desk_->vms.Delete(kVmUuid, Disposal::kTrash, {}));
  ASSERT_OK(Settle());
  EXPECT_THAT(Disks(), SizeIs(2));
  v1::VmSpec adopting = VmWithDrive();
  adopting.clear_root_disk();
  adopting.mutable_root_disk()->set_existing(v1::ADOPT);
  ASSERT_OK(desk_->vms.Apply(adopting, {}));
  ASSERT_OK(Settle());
  const auto adopted = node_->block.GetImage(node_->RootDisk());
  EXPECT_EQ(adopted->metadata.at("test.data"), "mine");
  EXPECT_TRUE(MarkOf(*adopted).has_value());
  EXPECT_FALSE(KeptMarkOf(*adopted).has_value());
}

// Rows 1 to 3 of the fault matrix: whichever call of a deletion or an undeletion gets no answer,
// whether or not it did its work, the next looks finish it, and nothing is lost.
class CutOffDeletionTest : public DeletedVmTest,
                           public ::testing::WithParamInterface<block::MemoryBlockStore::Effect> {
 protected:
  void Begin() {
    desk_.reset();
    node_ = std::make_unique<MemoryNode>();
    desk_ = std::make_unique<Desk>(*node_);
    SetUp();
  }
  void CutCall(int nth) {
    node_->block.FailNth(nth, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", ""),
                         GetParam());
  }
};

TEST_P(CutOffDeletionTest, WhatIsDeletedCanBeHadBack) {
  int nth = 1;
  for (;; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 100);
    ASSERT_NO_FATAL_FAILURE(Begin());
    ASSERT_OK(desk_->vms.Delete(kVmUuid, Disposal::kTrash, {}));
    CutCall(nth);
    const absl::Status first = Settle();
    if (node_->block.FailurePending()) {
      ASSERT_OK(first);
      break;
    }
    ASSERT_OK(Settle());
    EXPECT_THAT(Disks(), IsEmpty());
    EXPECT_THAT(Trash(), SizeIs(2));
    ASSERT_OK(desk_->vms.Undelete(kVmUuid, {}));
    ASSERT_OK(Settle());
    ASSERT_NO_FATAL_FAILURE(ExpectBack());
  }
  EXPECT_GT(nth, 6) << "both disks are looked at, marked and moved";
}

TEST_P(CutOffDeletionTest, AnUndeletionIsFinishedOrAskedForAgain) {
  int nth = 1;
  for (;; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 100);
    ASSERT_NO_FATAL_FAILURE(Begin());
    ASSERT_NO_FATAL_FAILURE(Delete(Disposal::kTrash));
    CutCall(nth);
    absl::Status first = desk_->vms.Undelete(kVmUuid, {}).status();
    if (first.ok()) first = Settle();
    if (node_->block.FailurePending()) {
      ASSERT_OK(first);
      break;
    }
    ASSERT_OK(desk_->vms.Undelete(kVmUuid, {}));
    ASSERT_OK(Settle());
    ASSERT_NO_FATAL_FAILURE(ExpectBack());
  }
  EXPECT_GT(nth, 10) << "both disks are looked for twice, restored and unmarked";
}

INSTANTIATE_TEST_SUITE_P(All, CutOffDeletionTest,
                         ::testing::Values(block::MemoryBlockStore::Effect::kNone,
                                           block::MemoryBlockStore::Effect::kDone));

}  // namespace
}  // namespace hvagent::reconcile
