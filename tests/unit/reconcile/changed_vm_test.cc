// What a new spec does to a VM that exists: to its guest as it runs, or from its next start.
#include <string>
#include <vector>

#include "agent/reconcile/desired_vms.h"
#include "agent/reconcile/plan.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/live_disks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::kVmUuid;
using ::hvagent::testing::MemoryNode;
using hypervisor::DomainState;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kVolume[] = "11111111-0414-4b58-9924-af681091be09";
constexpr char kOther[] = "22222222-0414-4b58-9924-af681091be09";

class ChangedVmTest : public ::testing::Test {
 protected:
  ChangedVmTest() {
    for (const char* id : {kVolume, kOther}) {
      EXPECT_OK(node_.block.CreateImage({"volumes", "", VolumeImage(id)}, GiB(1), MiB(4)));
    }
    spec_.clear_volumes();
    EXPECT_OK(vms_.Apply(spec_, {}));
    EXPECT_OK(Settle());
  }

  static std::string VolumeImage(const std::string& id) { return "volume-" + id; }

  state::VmRecord Stored() { return **node_.state->GetVm(uuid_); }
  absl::StatusOr<ObservedVm> Observe() { return node_.worker.Observe(Stored()); }

  // One look, and what follows from it until something fails. The kinds of what was done.
  absl::StatusOr<std::vector<ActionKind>> Look() {
    ASSIGN_OR_RETURN(ObservedVm observed, Observe());
    ASSIGN_OR_RETURN(const std::vector<Action> actions, Plan(Stored(), observed));
    std::vector<ActionKind> done;
    for (const Action& action : actions) {
      RETURN_IF_ERROR(node_.worker.Run(Stored(), action, observed));
      done.push_back(action.kind);
    }
    return done;
  }
  // Looks until there is nothing left to do.
  absl::Status Settle() {
    for (int looks = 0; looks < 10; ++looks) {
      const auto done = Look();
      RETURN_IF_ERROR(done.status());
      if (done->empty()) return absl::OkStatus();
    }
    return absl::InternalError("there is always something left to do");
  }

  std::string DefinedXml() { return std::string(node_.hypervisor.GetDefinition(uuid_)->Reveal()); }
  std::string LiveXml() { return *node_.hypervisor.GetDomainXml(uuid_); }
  std::vector<std::string> PendingRestart() {
    const auto observed = Observe();
    if (!observed->older.has_value()) return {};
    return CompareWithGuest(*observed->older, Stored().spec).pending_restart;
  }
  void AddVolume(const std::string& id) { spec_.add_volumes()->set_id(id); }

  const Uuid uuid_ = *Uuid::Parse(kVmUuid);
  v1::VmSpec spec_ = GuideVm();
  MemoryNode node_;
  VmFeed feed_;
  StatusBoard board_{SystemClock(), feed_};
  Reconciler reconciler_{{}, node_.worker, node_.hypervisor, *node_.state, board_, SystemClock()};
  state::RequestLog requests_{*node_.state, SystemClock()};
  DesiredVms vms_{*node_.state, requests_, node_.worker, reconciler_, SystemClock()};
};

TEST_F(ChangedVmTest, AVolumeIsAttachedToTheGuestAsItRuns) {
  AddVolume(kVolume);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  EXPECT_THAT(LiveXml(), HasSubstr(VolumeImage(kVolume)));
  EXPECT_THAT(DefinedXml(), HasSubstr(VolumeImage(kVolume))) << "it has it at its next start too";
  EXPECT_EQ(node_.hypervisor.Starts(uuid_), 1) << "the guest was left running";
  EXPECT_THAT(PendingRestart(), IsEmpty());
}

TEST_F(ChangedVmTest, WhoeverHasAnAttachedVolumeOpenIsInTheRegistry) {
  AddVolume(kVolume);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  const auto watchers = node_.block.ListWatchers({"volumes", "", VolumeImage(kVolume)});
  ASSERT_OK(watchers);
  ASSERT_EQ(watchers->size(), 1);
  const auto entry = node_.registry.Get(uuid_);
  ASSERT_OK(entry);
  std::vector<std::string> addresses;
  for (const auto& disk : (*entry)->record.disks()) {
    addresses.insert(addresses.end(), disk.addresses().begin(), disk.addresses().end());
  }
  EXPECT_THAT(addresses, Contains(watchers->front()));
}

TEST_F(ChangedVmTest, AVolumeIsDetachedAndTheOthersStayWhereTheyAre) {
  AddVolume(kVolume);
  AddVolume(kOther);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  spec_.mutable_volumes()->DeleteSubrange(0, 1);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  EXPECT_THAT(LiveXml(), Not(HasSubstr(VolumeImage(kVolume))));
  EXPECT_THAT(DefinedXml(), Not(HasSubstr(VolumeImage(kVolume))));
  // The one that is attached next takes a free place, not that of the other.
  AddVolume(kVolume);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  std::vector<std::string> targets;
  const auto disks = domain_xml::LiveDisksOf(LiveXml());
  ASSERT_OK(disks);
  for (const auto& disk : *disks) targets.push_back(disk.target);
  EXPECT_THAT(targets, ElementsAre("vda", "vdc", "vdb"));
}

TEST_F(ChangedVmTest, AGuestThatKeepsADiskIsAskedAndItsDefinitionWaits) {
  AddVolume(kVolume);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  node_.hypervisor.SetKeepsDisks(uuid_, true);
  spec_.clear_volumes();
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Look());  // the registry hears of it, and the guest is asked
  EXPECT_THAT(*Look(), ElementsAre(ActionKind::kDetachVolume));
  EXPECT_THAT(DefinedXml(), HasSubstr(VolumeImage(kVolume)));
  node_.hypervisor.SetKeepsDisks(uuid_, false);
  ASSERT_OK(Settle());
  EXPECT_THAT(DefinedXml(), Not(HasSubstr(VolumeImage(kVolume))));
}

TEST_F(ChangedVmTest, ADiskThatSomebodyElseAttachedStays) {
  ASSERT_OK(node_.hypervisor.AttachDisk(
      uuid_, "<disk type='network'><source protocol='rbd' name='volumes/volume-" +
                 std::string(kOther) + "'/><target dev='vdq'/></disk>"));
  AddVolume(kVolume);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  EXPECT_THAT(LiveXml(), HasSubstr(VolumeImage(kOther)));
  EXPECT_THAT(LiveXml(), HasSubstr(VolumeImage(kVolume)));
}

TEST_F(ChangedVmTest, ALargerRootDiskIsGrownAndTheGuestTold) {
  spec_.mutable_root_disk()->set_size_gib(3);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  EXPECT_EQ(node_.block.GetImage(node_.RootDisk())->size, GiB(3));
  EXPECT_EQ(node_.hypervisor.ToldDiskSize(uuid_, node_.RootDisk().name), GiB(3).count());
  EXPECT_EQ(node_.hypervisor.Starts(uuid_), 1);
}

TEST_F(ChangedVmTest, WhatNeedsARestartWaitsForItAndIsSaid) {
  spec_.set_vcpus(4);
  spec_.set_memory_mib(512);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  EXPECT_EQ(node_.hypervisor.Starts(uuid_), 1) << "a running guest is never restarted for it";
  EXPECT_THAT(PendingRestart(), ElementsAre("vcpus", "memory_mib"));

  ASSERT_OK(vms_.Restart(kVmUuid, /*force=*/true, {}));
  ASSERT_OK(Settle());
  EXPECT_EQ(node_.hypervisor.Starts(uuid_), 2);
  EXPECT_THAT(PendingRestart(), IsEmpty());
  EXPECT_THAT(LiveXml(), HasSubstr("<vcpu>4</vcpu>"));
}

TEST_F(ChangedVmTest, AChangeThatIsTakenBackWaitsForNothing) {
  const v1::VmSpec before = spec_;
  spec_.set_vcpus(4);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  ASSERT_OK(vms_.Apply(before, {}));
  ASSERT_OK(Settle());
  EXPECT_THAT(PendingRestart(), IsEmpty());
}

TEST_F(ChangedVmTest, AStoppedVmIsDefinedAnewAtOnce) {
  ASSERT_OK(vms_.SetPower(kVmUuid, v1::STOPPED, /*force=*/true, {}));
  ASSERT_OK(Settle());
  spec_.set_power_state(v1::STOPPED);
  spec_.set_vcpus(4);
  spec_.mutable_root_disk()->set_size_gib(3);
  ASSERT_OK(vms_.Apply(spec_, {}));
  ASSERT_OK(Settle());
  EXPECT_THAT(DefinedXml(), HasSubstr("<vcpu>4</vcpu>"));
  EXPECT_EQ(node_.block.GetImage(node_.RootDisk())->size, GiB(3));
}

TEST_F(ChangedVmTest, WhatCannotChangeIsRefusedWithItsReason) {
  spec_.mutable_root_disk()->set_image("another");
  const auto refused = vms_.Apply(spec_, {});
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "VM_SPEC_DIFFERS"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("root_disk.image"));
  EXPECT_THAT(*Look(), IsEmpty());
}

// Whichever call to libvirt fails, with or without its effect, the next look finishes the change.
TEST_F(ChangedVmTest, AChangeThatIsCutOffAnywhereIsFinished) {
  AddVolume(kVolume);
  spec_.mutable_root_disk()->set_size_gib(3);
  v1::VmSpec without = spec_;
  without.clear_volumes();
  for (const auto effect :
       {hypervisor::MemoryFaults::Effect::kNone, hypervisor::MemoryFaults::Effect::kDone}) {
    for (uint64_t nth = 1;; ++nth) {
      ASSERT_OK(vms_.Apply(nth % 2 == 1 ? spec_ : without, {}));
      node_.faults.FailCall(nth, absl::DeadlineExceededError("cut off"), effect);
      absl::Status status;
      do {
        status = Settle();
      } while (absl::IsDeadlineExceeded(status));
      ASSERT_OK(status);
      const bool was_cut_off = !node_.faults.FailurePending();
      while (node_.faults.FailurePending()) (void)node_.hypervisor.GetHost();
      ASSERT_EQ(LiveXml().find(VolumeImage(kVolume)) != std::string::npos, nth % 2 == 1);
      ASSERT_EQ(DefinedXml().find(VolumeImage(kVolume)) != std::string::npos, nth % 2 == 1);
      ASSERT_EQ(node_.hypervisor.Starts(uuid_), 1);
      if (!was_cut_off) break;
    }
  }
}

}  // namespace
}  // namespace hvagent::reconcile
