// Guests that stop or pause by themselves, or by somebody's hand, and those that shall be paused.
#include <future>
#include <thread>

#include "agent/reconcile/desired_vms.h"
#include "agent/reconcile/reconciler.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::GuideVm;
using ::hvagent::testing::kVmUuid;
using ::hvagent::testing::MemoryNode;
using hypervisor::DomainState;
using ::testing::HasSubstr;
using v1::RegistryRecord;

class GuestPowerTest : public ::testing::Test {
 protected:
  void Run(v1::VmSpec::RestartPolicy policy) {
    v1::VmSpec spec = GuideVm();
    spec.set_restart_policy(policy);
    ASSERT_OK(vms_.Create(spec, {}));
    reconciler_.Start();
    ASSERT_OK(Settle());
    ASSERT_EQ(State(), DomainState::kRunning);
  }
  void TearDown() override { reconciler_.Stop(); }

  // Waits until the VM has settled and returns how.
  absl::Status Settle() { return Settle(reconciler_); }
  absl::Status Settle(Reconciler& reconciler) {
    std::promise<absl::Status> settled;
    board_.Wait(uuid_, vms_.Find(kVmUuid)->generation,
                [&](const absl::Status& status) { settled.set_value(status); });
    reconciler.Enqueue(uuid_);
    return settled.get_future().get();
  }
  absl::Status Set(v1::PowerState power) {
    const auto vm = vms_.SetPower(kVmUuid, power, /*force=*/false, {});
    return vm.ok() ? Settle() : vm.status();
  }
  // Waits until the board says that the VM waits, and for what.
  std::string AwaitWaiting() {
    while (true) {
      const auto entry = board_.Get(uuid_);
      if (entry.has_value() && entry->outcome.waiting.has_value()) {
        return entry->outcome.waiting->reason;
      }
      std::this_thread::yield();
    }
  }

  DomainState State() { return node_.hypervisor.GetDomain(uuid_)->state; }
  int Starts() { return node_.hypervisor.Starts(uuid_); }
  RegistryRecord::State Recorded() { return (*node_.registry.Get(uuid_))->record.state(); }
  bool StaysOff() { return board_.Get(uuid_)->outcome.stays_off; }

  const Uuid uuid_ = *Uuid::Parse(kVmUuid);
  MemoryNode node_;
  VmFeed feed_;
  StatusBoard board_{SystemClock(), feed_};
  Reconciler reconciler_{{.max_parallel = 1,
                          .resync_period = absl::Hours(1),
                          .first_backoff = absl::Milliseconds(1),
                          .max_backoff = absl::Milliseconds(5),
                          .ask_again = absl::Milliseconds(5)},
                         node_.worker,
                         node_.hypervisor,
                         *node_.state,
                         board_,
                         SystemClock()};
  state::RequestLog requests_{*node_.state, SystemClock()};
  DesiredVms vms_{*node_.state, requests_, node_.worker, reconciler_, SystemClock()};
};

TEST_F(GuestPowerTest, ByDefaultAGuestIsStartedAgainHoweverItStopped) {
  Run(v1::VmSpec::RESTART_POLICY_UNSPECIFIED);
  node_.hypervisor.ShutDownGuest(uuid_);
  EXPECT_OK(Settle());
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_EQ(Starts(), 2);
}

TEST_F(GuestPowerTest, AGuestThatShutsDownIsLeftOffAndOneThatCrashesIsStartedAgain) {
  Run(v1::VmSpec::ON_FAILURE);
  node_.hypervisor.CrashDomain(uuid_);
  EXPECT_OK(Settle());
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_FALSE(StaysOff());
  node_.hypervisor.ShutDownGuest(uuid_);
  EXPECT_OK(Settle());
  EXPECT_EQ(State(), DomainState::kShutOff);
  EXPECT_TRUE(StaysOff());
  EXPECT_EQ(Recorded(), RegistryRecord::STOPPED);
  EXPECT_EQ(Starts(), 2);
}

TEST_F(GuestPowerTest, OneThatStaysOffDoesSoThroughARestartAndANewSpecUntilItIsStarted) {
  Run(v1::VmSpec::NEVER);
  ASSERT_OK(node_.hypervisor.DestroyDomain(uuid_));  // by somebody's hand
  EXPECT_OK(Settle());
  EXPECT_TRUE(StaysOff());
  v1::VmSpec tagged = vms_.Find(kVmUuid)->spec;
  (*tagged.mutable_tags())["a"] = "b";
  ASSERT_OK(vms_.Apply(tagged, {}));
  EXPECT_OK(Settle());
  reconciler_.Stop();
  Reconciler again({.max_parallel = 1}, node_.worker, node_.hypervisor, *node_.state, board_,
                   SystemClock());
  again.Start();
  EXPECT_OK(Settle(again));
  EXPECT_EQ(State(), DomainState::kShutOff);
  EXPECT_TRUE(vms_.Find(kVmUuid)->stays_off);
  EXPECT_EQ(Starts(), 1);
}

TEST_F(GuestPowerTest, AStartEndsIt) {
  Run(v1::VmSpec::NEVER);
  node_.hypervisor.CrashDomain(uuid_);
  EXPECT_OK(Settle());
  EXPECT_NE(State(), DomainState::kRunning);
  EXPECT_OK(Set(v1::RUNNING));
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_FALSE(vms_.Find(kVmUuid)->stays_off);
  // A stop and a start that were asked for are nobody's accident.
  EXPECT_OK(Set(v1::STOPPED));
  EXPECT_OK(Set(v1::RUNNING));
  EXPECT_EQ(State(), DomainState::kRunning);
  for (const bool force : {false, true}) {
    ASSERT_OK(vms_.Restart(kVmUuid, force, {}));
    EXPECT_OK(Settle());
    EXPECT_EQ(State(), DomainState::kRunning);
  }
}

TEST_F(GuestPowerTest, AGuestThatKeepsCrashingWaitsAndSaysSoUntilSomebodyStartsIt) {
  Run(v1::VmSpec::ALWAYS);
  node_.hypervisor.CrashDomain(uuid_);
  EXPECT_OK(Settle());
  node_.hypervisor.CrashDomain(uuid_);
  EXPECT_EQ(AwaitWaiting(), "RESTART_BACKOFF");
  EXPECT_THAT(board_.Get(uuid_)->outcome.waiting->message,
              HasSubstr("crashed: it is started again at 2"));
  EXPECT_OK(Set(v1::RUNNING));
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_EQ(Starts(), 3);
}

TEST_F(GuestPowerTest, AGuestThatQemuPausedGoesOnWhenItsDiskIsThereAgain) {
  Run(v1::VmSpec::ALWAYS);
  node_.block.FailNext(Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "no Ceph"));
  node_.hypervisor.FailDisk(uuid_);
  EXPECT_OK(Settle());
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_FALSE(node_.block.FailurePending());
  EXPECT_EQ(Starts(), 1);
  node_.hypervisor.FailDisk(uuid_);
  EXPECT_EQ(AwaitWaiting(), "GUEST_IO_ERROR");
}

TEST_F(GuestPowerTest, AGuestIsPausedAndResumed) {
  Run(v1::VmSpec::ALWAYS);
  EXPECT_OK(Set(v1::PAUSED));
  EXPECT_EQ(State(), DomainState::kPaused);
  EXPECT_EQ(Recorded(), RegistryRecord::PAUSED);
  node_.hypervisor.FailDisk(uuid_);
  EXPECT_OK(Settle());
  EXPECT_EQ(State(), DomainState::kPaused);
  EXPECT_OK(Set(v1::RUNNING));
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_EQ(Recorded(), RegistryRecord::RUNNING);
  EXPECT_EQ(Starts(), 1);
}

TEST_F(GuestPowerTest, AStoppedVmThatShallBePausedIsStartedAndHeldWithItsClientsRecorded) {
  Run(v1::VmSpec::ALWAYS);
  EXPECT_OK(Set(v1::STOPPED));
  EXPECT_OK(Set(v1::PAUSED));
  EXPECT_EQ(State(), DomainState::kPaused);
  EXPECT_EQ(Recorded(), RegistryRecord::PAUSED);
  EXPECT_EQ((*node_.registry.Get(uuid_))->record.disks_size(), 1);
  EXPECT_OK(Set(v1::RUNNING));
  EXPECT_EQ(State(), DomainState::kRunning);
}

// Cut off at any call, a pause is finished, and a resumption is not taken for somebody's pause.
TEST(GuestPauseFaultTest, EveryFailingCallIsSurvived) {
  for (const v1::PowerState wish : {v1::PAUSED, v1::RUNNING}) {
    for (const bool of_registry : {false, true}) {
      for (const auto effect :
           {hypervisor::MemoryFaults::Effect::kNone, hypervisor::MemoryFaults::Effect::kDone}) {
        for (uint64_t nth = 1;; ++nth) {
          SCOPED_TRACE(nth);
          ASSERT_LT(nth, 50u);
          MemoryNode node;
          VmFeed feed;
          StatusBoard board(SystemClock(), feed);
          Reconciler reconciler({.max_parallel = 1, .first_backoff = absl::Milliseconds(1)},
                                node.worker, node.hypervisor, *node.state, board, SystemClock());
          state::VmRecord vm = ::hvagent::testing::RecordOf(GuideVm());
          const auto settle = [&](v1::PowerState power) {
            vm.spec.set_power_state(power);
            ++vm.generation;
            EXPECT_OK(node.state->PutVm(vm));
            std::promise<absl::Status> settled;
            board.Wait(vm.uuid, vm.generation,
                       [&](const absl::Status& status) { settled.set_value(status); });
            reconciler.Enqueue(vm.uuid);
            EXPECT_OK(settled.get_future().get());
          };
          reconciler.Start();
          settle(v1::RUNNING);
          if (wish == v1::RUNNING) settle(v1::PAUSED);
          hypervisor::MemoryFaults& faults = of_registry ? node.registry.faults() : node.faults;
          faults.FailCall(nth, Error(absl::StatusCode::kDeadlineExceeded, "TIMEOUT", ""), effect);
          settle(wish);
          const bool was_cut = !faults.FailurePending();
          reconciler.Stop();
          if (!was_cut) break;
          EXPECT_EQ(node.hypervisor.GetDomain(vm.uuid)->state,
                    wish == v1::PAUSED ? DomainState::kPaused : DomainState::kRunning);
          EXPECT_EQ((*node.registry.Get(vm.uuid))->record.state(),
                    wish == v1::PAUSED ? RegistryRecord::PAUSED : RegistryRecord::RUNNING);
        }
      }
    }
  }
}

}  // namespace
}  // namespace hvagent::reconcile
