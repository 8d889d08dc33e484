#include "agent/reconcile/reconciler.h"

#include <future>
#include <memory>
#include <thread>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::GuideVm;
using ::hvagent::testing::MemoryNode;
using ::hvagent::testing::RecordOf;
using hypervisor::DomainState;
using state::VmRecord;

// A reconciler on a node; what restarts when the agent does.
struct Loop {
  explicit Loop(MemoryNode& node, absl::Duration ask_again = absl::Milliseconds(5))
      : board(SystemClock(), feed),
        reconciler({.max_parallel = 2,
                    .resync_period = absl::Hours(1),
                    .first_backoff = absl::Milliseconds(1),
                    .max_backoff = absl::Milliseconds(5),
                    .ask_again = ask_again},
                   node.worker, node.hypervisor, *node.state, board, SystemClock()) {
    reconciler.Start();
  }

  // Waits until the VM has settled and returns how.
  absl::Status Settle(const VmRecord& vm) {
    std::promise<absl::Status> settled;
    board.Wait(vm.uuid, vm.generation,
               [&](const absl::Status& status) { settled.set_value(status); });
    reconciler.Enqueue(vm.uuid);
    return settled.get_future().get();
  }

  // Asks for a look and waits until one that began later has been published, settled or not.
  void AwaitLook(const Uuid& uuid) {
    const absl::Duration asked = SystemClock().Monotonic();
    reconciler.Enqueue(uuid);
    while (true) {
      const auto entry = board.Get(uuid);
      if (entry.has_value() && entry->outcome.looked_at >= asked) return;
      std::this_thread::yield();
    }
  }

  VmFeed feed;
  StatusBoard board;
  Reconciler reconciler;
};

class ReconcilerTest : public ::testing::Test {
 protected:
  VmRecord Put(v1::PowerState power) {
    vm_.spec.set_power_state(power);
    ++vm_.generation;
    EXPECT_OK(node_.state->PutVm(vm_));
    return vm_;
  }
  DomainState State() { return node_.hypervisor.GetDomain(vm_.uuid)->state; }

  MemoryNode node_;
  VmRecord vm_ = RecordOf(GuideVm());
};

TEST_F(ReconcilerTest, BringsAVmUpStopsItAndStartsItAgain) {
  Loop loop(node_);
  EXPECT_OK(loop.Settle(Put(v1::RUNNING)));
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_OK(loop.Settle(Put(v1::STOPPED)));
  EXPECT_EQ(State(), DomainState::kShutOff);
  EXPECT_OK(loop.Settle(Put(v1::RUNNING)));
  EXPECT_EQ(State(), DomainState::kRunning);
}

TEST_F(ReconcilerTest, AGuestThatIgnoresThePowerButtonIsNotReportedStopped) {
  Loop loop(node_);
  ASSERT_OK(loop.Settle(Put(v1::RUNNING)));
  node_.hypervisor.SetIgnoresPowerButton(vm_.uuid, true);
  const VmRecord stopping = Put(v1::STOPPED);
  std::promise<absl::Status> settled;
  loop.board.Wait(vm_.uuid, stopping.generation,
                  [&](const absl::Status& status) { settled.set_value(status); });
  loop.reconciler.Enqueue(vm_.uuid);
  vm_.force_stop = true;
  EXPECT_OK(loop.Settle(Put(v1::STOPPED)));
  EXPECT_EQ(State(), DomainState::kShutOff);
  EXPECT_OK(settled.get_future().get());
}

TEST_F(ReconcilerTest, TheEventsOfAShutdownDoNotPressThePowerButtonAgain) {
  Loop loop(node_, /*ask_again=*/absl::Hours(1));
  ASSERT_OK(loop.Settle(Put(v1::RUNNING)));
  node_.hypervisor.SetIgnoresPowerButton(vm_.uuid, true);
  Put(v1::STOPPED);
  loop.AwaitLook(vm_.uuid);
  node_.hypervisor.SetIgnoresPowerButton(vm_.uuid, false);
  loop.AwaitLook(vm_.uuid);
  EXPECT_EQ(State(), DomainState::kRunning) << "it was asked once, and not again";
}

TEST_F(ReconcilerTest, ARestartStopsTheGuestOnceAndLeavesItRunning) {
  Loop loop(node_);
  ASSERT_OK(loop.Settle(Put(v1::RUNNING)));
  int stops = 0;
  for (const bool force : {false, true}) {
    SCOPED_TRACE(force);
    vm_.restart = true;
    vm_.force_stop = force;
    EXPECT_OK(loop.Settle(Put(v1::RUNNING)));
    EXPECT_EQ(State(), DomainState::kRunning);
    EXPECT_EQ(node_.hypervisor.Starts(vm_.uuid), ++stops + 1);
    const auto stored = node_.state->GetVm(vm_.uuid);
    EXPECT_FALSE((*stored)->restart);
    EXPECT_FALSE((*stored)->force_stop);
  }
}

// The agent was killed between the stop and the start.
TEST_F(ReconcilerTest, ARestartThatWasCutOffIsFinished) {
  Loop loop(node_);
  ASSERT_OK(loop.Settle(Put(v1::RUNNING)));
  ASSERT_OK(node_.hypervisor.DestroyDomain(vm_.uuid));
  vm_.restart = true;
  EXPECT_OK(loop.Settle(Put(v1::RUNNING)));
  EXPECT_EQ(State(), DomainState::kRunning);
}

TEST_F(ReconcilerTest, BringsACrashedGuestBack) {
  Loop loop(node_);
  ASSERT_OK(loop.Settle(Put(v1::RUNNING)));
  node_.hypervisor.CrashDomain(vm_.uuid);
  EXPECT_OK(loop.Settle(vm_));
  EXPECT_EQ(State(), DomainState::kRunning);
}

TEST_F(ReconcilerTest, DeletionLeavesNoDomainNoDiskAndNoRecord) {
  Loop loop(node_);
  ASSERT_OK(loop.Settle(Put(v1::RUNNING)));
  vm_.deleting = true;
  EXPECT_OK(loop.Settle(Put(v1::RUNNING)));
  EXPECT_FALSE(node_.HasDomain());
  EXPECT_FALSE(node_.block.GetImage(node_.RootDisk()).ok());
  EXPECT_FALSE(node_.state->GetVm(vm_.uuid)->has_value());
}

TEST_F(ReconcilerTest, WhoWaitsForADeletionThatIsOverIsTold) {
  Loop loop(node_);
  vm_.deleting = true;
  const VmRecord deleted = Put(v1::RUNNING);
  EXPECT_OK(loop.Settle(deleted));
  ASSERT_FALSE(node_.state->GetVm(vm_.uuid)->has_value());
  EXPECT_OK(loop.Settle(deleted));
}

TEST_F(ReconcilerTest, ComesThroughALostConnection) {
  Loop loop(node_);
  const absl::Status away =
      Error(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE", "not connected");
  node_.hypervisor.SetHealth(away);
  const VmRecord vm = Put(v1::RUNNING);
  std::promise<absl::Status> settled;
  loop.board.Wait(vm.uuid, vm.generation,
                  [&](const absl::Status& status) { settled.set_value(status); });
  loop.reconciler.Enqueue(vm.uuid);
  node_.hypervisor.SetHealth(absl::OkStatus());
  EXPECT_OK(settled.get_future().get());
  EXPECT_EQ(State(), DomainState::kRunning);
}

// A node that comes back may find that its guest's VM is another's, and must not wait for the next
// resync to find out.
TEST_F(ReconcilerTest, AGuestThatRunsIsLookedAtAgainUntilTheRegistryCanBeAsked) {
  Loop loop(node_);
  ASSERT_OK(loop.Settle(Put(v1::RUNNING)));
  node_.registry.faults().SetHealth(absl::UnavailableError("no Ceph"));
  EXPECT_OK(loop.Settle(vm_)) << "what runs as it shall is right without it";

  registry::MemoryRegistry other(node_.records);
  const auto entry = other.Get(vm_.uuid);
  v1::RegistryRecord moved = (*entry)->record;
  moved.set_node("compute-2");
  moved.set_epoch(2);
  ASSERT_OK(other.Put(moved, *entry));
  node_.registry.faults().SetHealth(absl::OkStatus());
  while (ErrorReason(loop.board.Get(vm_.uuid)->outcome.error) != "VM_OWNED_ELSEWHERE") {
    std::this_thread::yield();
  }
  EXPECT_EQ(State(), DomainState::kRunning);
}

TEST_F(ReconcilerTest, ARestartTouchesNoRunningGuest) {
  {
    Loop loop(node_);
    ASSERT_OK(loop.Settle(Put(v1::RUNNING)));
  }
  EXPECT_EQ(State(), DomainState::kRunning) << "the agent's stop is not the guest's";
  // A start or a definition from now on would fail.
  Loop loop(node_);
  ASSERT_OK(loop.Settle(vm_));
  EXPECT_EQ(State(), DomainState::kRunning);
}

// Whether the guest runs, asked until libvirt answers: the ordered fault may hit this very call.
bool Runs(MemoryNode& node, const Uuid& uuid) {
  absl::StatusOr<hypervisor::DomainInfo> domain = absl::UnavailableError("");
  while (IsRetryable(domain.status())) domain = node.hypervisor.GetDomain(uuid);
  return domain.ok() && domain->state == DomainState::kRunning;
}

// I5, and rows 1 to 3 of the fault matrix: whichever call fails, whether or not it did its work,
// one clone and one running guest come of it.
TEST(ReconcilerFaultLoopTest, EveryFailingLibvirtCallIsSurvived) {
  using Effect = hypervisor::MemoryFaults::Effect;
  for (const Effect effect : {Effect::kNone, Effect::kDone}) {
    for (uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE(nth);
      MemoryNode node;
      node.faults.FailCall(nth, Error(absl::StatusCode::kDeadlineExceeded, "LIBVIRT_TIMEOUT", ""),
                           effect);
      VmRecord vm = RecordOf(GuideVm());
      ASSERT_OK(node.state->PutVm(vm));
      Loop loop(node);
      ASSERT_OK(loop.Settle(vm));
      ASSERT_TRUE(Runs(node, vm.uuid));
      ASSERT_EQ(node.block.ListImages("vms", "", 10)->size(), 1u);
      vm.deleting = true;
      ++vm.generation;
      ASSERT_OK(node.state->PutVm(vm));
      ASSERT_OK(loop.Settle(vm));
      ASSERT_TRUE(node.block.ListImages("vms", "", 10)->empty());
      if (node.faults.FailurePending()) break;
    }
  }
}

TEST(ReconcilerFaultLoopTest, EveryFailingCephCallIsSurvived) {
  using Effect = block::MemoryBlockStore::Effect;
  for (const Effect effect : {Effect::kNone, Effect::kDone}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(nth);
      MemoryNode node;
      node.block.FailNth(nth, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", ""),
                         effect);
      VmRecord vm = RecordOf(GuideVm());
      ASSERT_OK(node.state->PutVm(vm));
      {
        Loop loop(node);
        ASSERT_OK(loop.Settle(vm));
        ASSERT_TRUE(Runs(node, vm.uuid));
        vm.deleting = true;
        ++vm.generation;
        ASSERT_OK(node.state->PutVm(vm));
        ASSERT_OK(loop.Settle(vm));
      }
      const bool failed_in_time = !node.block.FailurePending();
      node.block.FailNth(1 << 30, absl::UnavailableError(""));
      ASSERT_TRUE(node.block.ListImages("vms", "", 10)->empty());
      if (!failed_in_time) break;
    }
  }
}

}  // namespace
}  // namespace hvagent::reconcile
