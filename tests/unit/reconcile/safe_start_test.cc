// A guest runs only on the node that the registry names, and only once the registry has the address
// of each client that has its disks open.
#include <functional>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/reconcile/plan.h"
#include "agent/reconcile/vm_worker.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/domain_xml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::MemoryNode;
using ::hvagent::testing::RecordOf;
using hypervisor::DomainState;
using state::VmRecord;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;
using v1::RegistryRecord;

const auto kElsewhere = Fails(absl::StatusCode::kFailedPrecondition, "VM_OWNED_ELSEWHERE");

// One look at the VM, and what follows from it until something fails: what the reconciler does.
absl::Status LookOnce(MemoryNode& node, const VmRecord& vm) {
  ASSIGN_OR_RETURN(ObservedVm observed, node.worker.Observe(vm));
  ASSIGN_OR_RETURN(const std::vector<Action> actions, Plan(vm, observed));
  for (const Action& action : actions) RETURN_IF_ERROR(node.worker.Run(vm, action, observed));
  return absl::OkStatus();
}

// As the node's state has it, which a restart changes; or as it is given.
VmRecord Stored(MemoryNode& node, const VmRecord& vm) {
  const auto stored = node.state->GetVm(vm.uuid);
  return stored.ok() && stored->has_value() ? **stored : vm;
}

// Looks until there is nothing left to do.
absl::Status Settle(MemoryNode& node, const VmRecord& vm) {
  for (int looks = 0; looks < 10; ++looks) {
    const VmRecord desired = Stored(node, vm);
    const auto observed = node.worker.Observe(desired);
    RETURN_IF_ERROR(observed.status());
    ASSIGN_OR_RETURN(const std::vector<Action> actions, Plan(desired, *observed));
    if (actions.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(LookOnce(node, desired));
  }
  return absl::InternalError("it does not come to rest");
}

class SafeStartTest : public ::testing::Test {
 protected:
  std::optional<RegistryRecord> Record() {
    registry::MemoryRegistry reader(node_->records);
    const auto entry = reader.Get(vm_.uuid);
    EXPECT_OK(entry);
    if (!entry.ok() || !entry->has_value()) return std::nullopt;
    return (*entry)->record;
  }

  DomainState State() { return node_->hypervisor.GetDomain(vm_.uuid)->state; }
  std::vector<std::string> Watchers() { return *node_->block.ListWatchers(node_->RootDisk()); }

  // What must be so at every moment.
  void ExpectRecordedIfItRuns() {
    const auto domain = node_->hypervisor.GetDomain(vm_.uuid);
    if (!domain.ok() || domain->state != DomainState::kRunning) return;
    const auto record = Record();
    ASSERT_TRUE(record.has_value());
    EXPECT_NE(record->state(), RegistryRecord::STOPPED);
    ASSERT_EQ(record->disks_size(), 1);
    EXPECT_THAT(Watchers(), IsSubsetOf(record->disks(0).addresses()));
    EXPECT_THAT(*node_->registry.ListNode("compute-1", Uuid(), 10), ElementsAre(vm_.uuid));
  }

  void Want(v1::PowerState power) {
    vm_.spec.set_power_state(power);
    vm_.force_stop = true;
    ++vm_.generation;
  }

  // Another node takes the VM over.
  void MoveTo(const std::string& node) {
    registry::MemoryRegistry other(node_->records);
    const auto standing = other.Get(vm_.uuid);
    ASSERT_OK(standing);
    RegistryRecord moved = (*standing)->record;
    moved.set_node(node);
    moved.set_epoch(moved.epoch() + 1);
    ASSERT_OK(other.Put(moved, *standing));
  }

  std::unique_ptr<MemoryNode> node_ = std::make_unique<MemoryNode>();
  VmRecord vm_ = RecordOf(GuideVm());
};

TEST_F(SafeStartTest, TheRecordSaysWhoseTheVmIsAndWhoHasItsDiskOpen) {
  ASSERT_OK(Settle(*node_, vm_));
  const auto record = Record();
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->node(), "compute-1");
  EXPECT_EQ(record->epoch(), 1);
  EXPECT_EQ(record->generation(), vm_.generation);
  EXPECT_EQ(record->spec().name(), vm_.spec.name());
  EXPECT_EQ(record->state(), RegistryRecord::RUNNING);
  ASSERT_EQ(record->disks_size(), 1);
  EXPECT_EQ(record->disks(0).pool(), "vms");
  EXPECT_EQ(record->disks(0).image(), node_->RootDisk().name);
  EXPECT_THAT(record->disks(0).addresses(), ElementsAre(Watchers().at(0)));
  const auto mark = domain_xml::ParseMark(*node_->hypervisor.GetDomainXml(vm_.uuid));
  EXPECT_EQ((*mark)->epoch, 1);
}

TEST_F(SafeStartTest, TheAgentsOwnWatchAndThoseOfDisksThatAreOnlyReadAreLeftOut) {
  vm_.spec.mutable_cloud_init()->set_user_data("#cloud-config\n");
  Want(v1::STOPPED);
  ASSERT_OK(Settle(*node_, vm_));
  const auto own = node_->block.OpenWriter(node_->RootDisk());
  ASSERT_OK(own);
  Want(v1::RUNNING);
  ASSERT_OK(Settle(*node_, vm_));
  EXPECT_EQ(Watchers().size(), 2u);
  ASSERT_EQ(Record()->disks_size(), 1);
  EXPECT_EQ(Record()->disks(0).addresses_size(), 1);
}

TEST_F(SafeStartTest, AStoppedVmHasARecordWithoutAddressesAndADeletedOneHasNone) {
  ASSERT_OK(Settle(*node_, vm_));
  Want(v1::STOPPED);
  ASSERT_OK(Settle(*node_, vm_));
  EXPECT_EQ(Record()->state(), RegistryRecord::STOPPED);
  EXPECT_THAT(Record()->disks(), IsEmpty());
  EXPECT_EQ(Record()->generation(), vm_.generation);
  vm_.deleting = true;
  ASSERT_OK(LookOnce(*node_, vm_));
  EXPECT_FALSE(Record().has_value());
  EXPECT_THAT(*node_->registry.ListNode("compute-1", Uuid(), 10), IsEmpty());
}

TEST_F(SafeStartTest, AGuestWhoseWatchIsNotToBeSeenStaysPausedUntilItIs) {
  node_->hypervisor.SetStorage(
      {.open = [](const auto&, const auto&) { return absl::OkStatus(); }, .close = [](auto&) {}});
  EXPECT_THAT(Settle(*node_, vm_), Fails(absl::StatusCode::kUnavailable, "DISK_NOT_WATCHED"));
  EXPECT_EQ(State(), DomainState::kPaused);
  EXPECT_EQ(Record()->state(), RegistryRecord::STARTING);
  node_->block.AddWatcher(node_->RootDisk(), "192.0.2.1:0/7");
  EXPECT_OK(Settle(*node_, vm_));
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_THAT(Record()->disks(0).addresses(), ElementsAre("192.0.2.1:0/7"));
}

TEST_F(SafeStartTest, AGuestThatSomebodyPausedIsNotResumed) {
  ASSERT_OK(Settle(*node_, vm_));
  node_->hypervisor.PauseDomain(vm_.uuid);
  EXPECT_THAT(Settle(*node_, vm_), Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_PAUSED"));
  EXPECT_EQ(State(), DomainState::kPaused);
}

TEST_F(SafeStartTest, AGuestThatAnOlderAgentStartedIsRecordedAsItRuns) {
  ASSERT_OK(Settle(*node_, vm_));
  const auto entry = node_->registry.Get(vm_.uuid);
  ASSERT_OK(node_->registry.Remove(**entry));
  ASSERT_OK(Settle(*node_, vm_));
  ExpectRecordedIfItRuns();
  EXPECT_EQ(Record()->state(), RegistryRecord::RUNNING);
  EXPECT_EQ(node_->hypervisor.Starts(vm_.uuid), 1);
}

TEST_F(SafeStartTest, ALostRecordIsMadeAnewWithTheEpochOfTheDomain) {
  Want(v1::STOPPED);
  ASSERT_OK(Settle(*node_, vm_));
  MoveTo("compute-2");
  MoveTo("compute-1");
  Want(v1::RUNNING);
  ASSERT_OK(Settle(*node_, vm_));
  ASSERT_EQ(Record()->epoch(), 3);
  ASSERT_OK(node_->registry.Remove(**node_->registry.Get(vm_.uuid)));
  ASSERT_OK(Settle(*node_, vm_));
  EXPECT_EQ(Record()->epoch(), 3);
}

TEST_F(SafeStartTest, WithoutTheRegistryNothingStartsAndWhatRunsIsLeftAlone) {
  const absl::Status away = Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "no Ceph");
  node_->registry.faults().SetHealth(away);
  EXPECT_EQ(Settle(*node_, vm_), away);
  EXPECT_FALSE(node_->HasDomain());
  EXPECT_FALSE(node_->block.GetImage(node_->RootDisk()).ok());
  node_->registry.faults().SetHealth(absl::OkStatus());
  ASSERT_OK(Settle(*node_, vm_));
  node_->registry.faults().SetHealth(away);
  EXPECT_OK(Settle(*node_, vm_));
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_EQ(node_->hypervisor.Starts(vm_.uuid), 1);
}

TEST_F(SafeStartTest, ANodeThatLostAVmActsOnItNoMoreAndSaysWhoHasIt) {
  ASSERT_OK(Settle(*node_, vm_));
  MoveTo("compute-2");
  const absl::Status status = Settle(*node_, vm_);
  EXPECT_THAT(status, kElsewhere);
  EXPECT_THAT(std::string(status.message()), HasSubstr("compute-2 since epoch 2"));
  EXPECT_EQ(State(), DomainState::kRunning);
  node_->hypervisor.CrashDomain(vm_.uuid);
  EXPECT_THAT(Settle(*node_, vm_), kElsewhere);
  EXPECT_EQ(node_->hypervisor.Starts(vm_.uuid), 1);

  vm_.deleting = true;
  EXPECT_OK(LookOnce(*node_, vm_));
  EXPECT_FALSE(node_->HasDomain());
  EXPECT_OK(node_->block.GetImage(node_->RootDisk()));
  EXPECT_EQ(Record()->node(), "compute-2");
}

TEST_F(SafeStartTest, AVmThatIsTakenOverInTheMiddleOfItsStartDoesNotRun) {
  Want(v1::STOPPED);
  ASSERT_OK(Settle(*node_, vm_));
  Want(v1::RUNNING);
  ObservedVm observed = *node_->worker.Observe(vm_);
  MoveTo("compute-2");
  EXPECT_THAT(node_->worker.Run(vm_, {ActionKind::kStartDomain, ""}, observed),
              Fails(absl::StatusCode::kAborted, "REGISTRY_CONFLICT"));
  EXPECT_EQ(State(), DomainState::kShutOff);
  EXPECT_THAT(Settle(*node_, vm_), kElsewhere);

  // As above, once its QEMU is there.
  MoveTo("compute-1");
  observed = *node_->worker.Observe(vm_);
  ASSERT_OK(node_->hypervisor.StartDomainPaused(vm_.uuid));
  MoveTo("compute-2");
  EXPECT_THAT(node_->worker.Run(vm_, {ActionKind::kFinishStart, ""}, observed),
              Fails(absl::StatusCode::kAborted, "REGISTRY_CONFLICT"));
  EXPECT_EQ(State(), DomainState::kPaused);
  EXPECT_THAT(Settle(*node_, vm_), kElsewhere);
  EXPECT_EQ(State(), DomainState::kPaused);
}

TEST(SafeStartRaceTest, OfTwoNodesThatStartTheSameVmAtOnceOneDoes) {
  std::set<int> winners;
  for (int round = 0; round < 20; ++round) {
    const auto records = std::make_shared<registry::MemoryRecords>();
    MemoryNode first("compute-1", records), second("compute-2", records);
    MemoryNode* const nodes[] = {&first, &second};
    const VmRecord vm = RecordOf(GuideVm());
    std::latch start(2);
    std::vector<std::thread> threads;
    for (MemoryNode* const node : nodes) {
      threads.emplace_back([&, node] {
        start.arrive_and_wait();
        absl::Status status = Settle(*node, vm);
        while (IsRetryable(status)) status = Settle(*node, vm);
      });
    }
    for (std::thread& thread : threads) thread.join();
    const auto entry = first.registry.Get(vm.uuid);
    ASSERT_OK(entry);
    const int winner = (*entry)->record.node() == "compute-1" ? 0 : 1;
    winners.insert(winner);
    EXPECT_OK(Settle(*nodes[winner], vm));
    EXPECT_EQ(nodes[winner]->hypervisor.Starts(vm.uuid), 1);
    MemoryNode& loser = *nodes[1 - winner];
    const absl::Status lost = Settle(loser, vm);
    EXPECT_THAT(lost, kElsewhere);
    EXPECT_THAT(std::string(lost.message()), HasSubstr((*entry)->record.node()));
    EXPECT_FALSE(loser.HasDomain());
    EXPECT_FALSE(loser.block.GetImage(loser.RootDisk()).ok());
  }
}

// I4, and rows 1 to 3 of the fault matrix for a start: cut off at any call, whether or not that
// call did its work, it is finished by the next looks, with one QEMU, and the guest never ran
// unrecorded.
enum class Seam { kLibvirt, kCeph, kRegistry };
enum class Story { kFirstStart, kLaterStart, kCrash, kSpecChange, kStop, kDelete };
using Cut = std::tuple<Seam, Story, bool>;

class CutOffTest : public SafeStartTest, public ::testing::WithParamInterface<Cut> {
 protected:
  // How the node is when the story begins.
  void Begin() {
    node_ = std::make_unique<MemoryNode>();
    vm_ = RecordOf(GuideVm());
    if (story() == Story::kFirstStart) return;
    ASSERT_OK(Settle(*node_, vm_));
    switch (story()) {
      case Story::kLaterStart:
        Want(v1::STOPPED);
        ASSERT_OK(Settle(*node_, vm_));
        Want(v1::RUNNING);
        break;
      case Story::kCrash:
        node_->hypervisor.CrashDomain(vm_.uuid);
        break;
      case Story::kSpecChange:
        vm_.spec.set_memory_mib(512);
        vm_.restart = vm_.force_stop = true;
        ++vm_.generation;
        ASSERT_OK(node_->state->PutVm(vm_));
        break;
      case Story::kStop:
        Want(v1::STOPPED);
        break;
      case Story::kDelete:
        vm_.deleting = true;
        break;
      case Story::kFirstStart:
        break;
    }
  }

  // The `nth` call from now on gets no answer.
  void CutCall(int nth) {
    const bool is_done = std::get<2>(GetParam());
    const absl::Status error = Error(absl::StatusCode::kDeadlineExceeded, "TIMEOUT", "no answer");
    using Effect = hypervisor::MemoryFaults::Effect;
    const Effect effect = is_done ? Effect::kDone : Effect::kNone;
    switch (seam()) {
      case Seam::kLibvirt:
        return node_->faults.FailCall(nth, error, effect);
      case Seam::kRegistry:
        return node_->registry.faults().FailCall(nth, error, effect);
      case Seam::kCeph:
        return node_->block.FailNth(nth, error,
                                    is_done ? block::MemoryBlockStore::Effect::kDone
                                            : block::MemoryBlockStore::Effect::kNone);
    }
  }

  bool WasCut() const {
    switch (seam()) {
      case Seam::kLibvirt:
        return !node_->faults.FailurePending();
      case Seam::kRegistry:
        return !node_->registry.faults().FailurePending();
      case Seam::kCeph:
        return !node_->block.FailurePending();
    }
    return false;
  }

  static Seam seam() { return std::get<0>(GetParam()); }
  static Story story() { return std::get<1>(GetParam()); }
};

TEST_P(CutOffTest, AtWhicheverCallTheNextLooksFinishItAndTheGuestNeverRanUnrecorded) {
  int nth = 1;
  for (;; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 100);
    ASSERT_NO_FATAL_FAILURE(Begin());
    const int starts_before = node_->hypervisor.Starts(vm_.uuid);
    CutCall(nth);
    const absl::Status first = LookOnce(*node_, Stored(*node_, vm_));
    if (!WasCut()) {
      ASSERT_OK(first);
      break;
    }
    ASSERT_NO_FATAL_FAILURE(ExpectRecordedIfItRuns());

    if (story() == Story::kDelete) {
      ASSERT_OK(LookOnce(*node_, vm_));
      EXPECT_FALSE(Record().has_value());
      EXPECT_THAT(*node_->registry.ListNode("compute-1", Uuid(), 10), IsEmpty());
      EXPECT_FALSE(node_->block.GetImage(node_->RootDisk()).ok());
    } else {
      ASSERT_OK(Settle(*node_, vm_));
      const bool shall_run = story() != Story::kStop;
      EXPECT_EQ(State(), shall_run ? DomainState::kRunning : DomainState::kShutOff);
      EXPECT_EQ(node_->hypervisor.Starts(vm_.uuid) - starts_before, shall_run ? 1 : 0);
      EXPECT_EQ(Record()->state(), shall_run ? RegistryRecord::RUNNING : RegistryRecord::STOPPED);
      EXPECT_EQ(Record()->generation(), vm_.generation);
      ASSERT_NO_FATAL_FAILURE(ExpectRecordedIfItRuns());
    }
  }
  // Only a stop asks Ceph for nothing.
  EXPECT_TRUE(nth > 1 || (seam() == Seam::kCeph && story() == Story::kStop));
}

INSTANTIATE_TEST_SUITE_P(
    All, CutOffTest,
    ::testing::Combine(::testing::Values(Seam::kLibvirt, Seam::kCeph, Seam::kRegistry),
                       ::testing::Values(Story::kFirstStart, Story::kLaterStart, Story::kCrash,
                                         Story::kSpecChange, Story::kStop, Story::kDelete),
                       ::testing::Bool()));

}  // namespace
}  // namespace hvagent::reconcile
