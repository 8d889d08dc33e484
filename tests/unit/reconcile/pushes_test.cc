#include "agent/reconcile/pushes.h"

#include "absl/strings/ascii.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/vm_spec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::MemoryNode;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string UuidOf(int n) { return absl::StrCat("65bd684f-0414-4b58-9924-af681091be0", n); }

v1::VmSpec Vm(int n) {
  v1::VmSpec spec = GuideVm();
  spec.set_uuid(UuidOf(n));
  spec.set_name(absl::StrCat("vm-", n));
  spec.clear_volumes();
  return domain_xml::Normalize(spec);
}

v1::PushStateRequest Full(int64_t term, int64_t generation, std::initializer_list<int> vms) {
  v1::PushStateRequest push;
  push.set_kind(v1::PushStateRequest::FULL);
  push.set_controller("cloud-1");
  push.set_term(term);
  push.set_generation(generation);
  for (const int n : vms) *push.add_vms()->mutable_spec() = Vm(n);
  return push;
}

v1::PushStateRequest Partial(std::initializer_list<int> vms) {
  v1::PushStateRequest push;
  push.set_kind(v1::PushStateRequest::PARTIAL);
  for (const int n : vms) *push.add_vms()->mutable_spec() = Vm(n);
  return push;
}

// The reconciler is not started: what is wished stays a wish.
class PushesTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::PushStateResponse> Push(v1::PushStateRequest push,
                                             const state::RequestKey& key = {}) {
    return pushes_.Push(
        push, push.SerializeAsString(), key,
        [this](const v1::VmSpec& spec, absl::string_view path) -> absl::StatusOr<v1::VmSpec> {
          ++admitted_;
          RETURN_IF_ERROR(PrefixField(domain_xml::ValidateVmSpec(spec), path));
          return domain_xml::Normalize(spec);
        },
        [this] {
          ++prepared_;
          return prepare_;
        });
  }
  // The names of the VMs that shall be here.
  std::vector<std::string> Wished() {
    std::vector<std::string> names;
    const std::vector<state::VmRecord> vms = node_.state->ListVms(Uuid(), 100).value();
    for (const state::VmRecord& vm : vms) {
      if (!vm.deleting) names.push_back(vm.spec.name());
    }
    return names;
  }
  // "CREATE vm-1"
  static std::vector<std::string> Changes(const absl::StatusOr<v1::PushStateResponse>& response) {
    EXPECT_OK(response);
    std::vector<std::string> changes;
    if (!response.ok()) return changes;
    for (const v1::VmChange& change : response->changes()) {
      changes.push_back(absl::StrCat(v1::VmChange::Kind_Name(change.kind()), " ", change.name()));
    }
    return changes;
  }

  static std::vector<std::string> Actions(const v1::VmChange& change) {
    std::vector<std::string> actions;
    for (const v1::PlannedAction& action : change.actions()) actions.push_back(action.action());
    return actions;
  }

  int admitted_ = 0;  // specs
  int prepared_ = 0;
  absl::Status prepare_;
  MemoryNode node_;
  VmFeed feed_;
  StatusBoard board_{SystemClock(), feed_};
  Reconciler reconciler_{{}, node_.worker, node_.hypervisor, *node_.state, board_, SystemClock()};
  state::RequestLog requests_{*node_.state, SystemClock()};
  DesiredVms vms_{*node_.state, requests_, node_.worker, reconciler_, SystemClock()};
  Pushes pushes_{*node_.state, requests_, node_.worker, vms_, reconciler_, SystemClock()};
};

TEST_F(PushesTest, AFullPushIsWhatShallBeHere) {
  EXPECT_THAT(Changes(Push(Full(1, 1, {1, 2}))), ElementsAre("CREATE vm-1", "CREATE vm-2"));
  v1::PushStateRequest next = Full(1, 2, {2, 3});
  next.set_max_deletions(1);
  const auto response = Push(next);
  EXPECT_THAT(Changes(response), ElementsAre("CREATE vm-3", "DELETE vm-1"));
  EXPECT_EQ(response->unchanged(), 1);
  EXPECT_EQ(response->generation(), 2);
  EXPECT_THAT(Wished(), ElementsAre("vm-2", "vm-3"));
}

TEST_F(PushesTest, TheSamePushAgainChangesNothing) {
  ASSERT_OK(Push(Full(1, 1, {1, 2})));
  const auto again = Push(Full(1, 1, {1, 2}));
  EXPECT_THAT(Changes(again), IsEmpty());
  EXPECT_EQ(again->unchanged(), 2);
}

TEST_F(PushesTest, WhatCannotBePreparedRefusesThePush) {
  prepare_ = Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "no proof");
  EXPECT_THAT(Push(Full(1, 1, {1})), Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
  EXPECT_THAT(Wished(), IsEmpty());
  prepare_ = absl::OkStatus();
  EXPECT_THAT(Changes(Push(Full(1, 1, {1}))), ElementsAre("CREATE vm-1"));
}

TEST_F(PushesTest, NothingIsPreparedForAPushThatIsRefused) {
  ASSERT_OK(Push(Full(1, 5, {1})));
  prepared_ = 0;
  EXPECT_THAT(Push(Full(1, 4, {1})),
              Fails(absl::StatusCode::kFailedPrecondition, "STALE_GENERATION"));
  EXPECT_THAT(Push(Full(1, 6, {})),
              Fails(absl::StatusCode::kFailedPrecondition, "TOO_MANY_DELETIONS"));
  EXPECT_EQ(prepared_, 0);
  ASSERT_OK(Push(Full(1, 5, {1})));
  EXPECT_EQ(prepared_, 1) << "the same push again prepares again";
}

TEST_F(PushesTest, AnOlderGenerationIsRefusedWithTheCurrentNumber) {
  ASSERT_OK(Push(Full(1, 5, {1})));
  const auto late = Push(Full(1, 4, {1, 2}));
  EXPECT_THAT(late, Fails(absl::StatusCode::kFailedPrecondition, "STALE_GENERATION"));
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("generation 5"));
  EXPECT_THAT(Wished(), ElementsAre("vm-1"));
}

TEST_F(PushesTest, AGenerationDoesNotSayTwoThings) {
  ASSERT_OK(Push(Full(1, 1, {1})));
  EXPECT_THAT(Push(Full(1, 1, {1, 2})),
              Fails(absl::StatusCode::kFailedPrecondition, "GENERATION_REUSED"));
  EXPECT_THAT(Wished(), ElementsAre("vm-1"));
}

TEST_F(PushesTest, OfTwoControllersTheOneWithTheLowerTermIsRefused) {
  ASSERT_OK(Push(Full(1, 9, {1})));
  v1::PushStateRequest other = Full(1, 10, {1});
  other.set_controller("cloud-2");
  EXPECT_THAT(Push(other), Fails(absl::StatusCode::kFailedPrecondition, "TERM_TAKEN"));
  other.set_term(2);
  other.set_generation(1);
  ASSERT_OK(Push(other));
  EXPECT_THAT(Push(Full(1, 10, {1})), Fails(absl::StatusCode::kFailedPrecondition, "STALE_TERM"));
}

TEST_F(PushesTest, WhatIsSaidAgainOfAnUnchangedVmIsNotLookedAtAgain) {
  ASSERT_OK(Push(Full(1, 1, {1, 2})));
  admitted_ = 0;
  v1::PushStateRequest next = Full(1, 2, {1, 2});
  next.mutable_vms(1)->mutable_spec()->set_memory_mib(4096);
  const auto response = Push(next);
  EXPECT_THAT(Changes(response), ElementsAre("UPDATE vm-2"));
  EXPECT_EQ(response->unchanged(), 1);
  EXPECT_EQ(admitted_, 1);
  next.set_generation(3);
  EXPECT_THAT(Changes(Push(next)), IsEmpty());
  EXPECT_EQ(admitted_, 1);
}

TEST_F(PushesTest, WhatWasChangedByHandIsAsPushedAgain) {
  ASSERT_OK(Push(Full(1, 1, {1, 2})));
  v1::PushStateRequest by_hand = Partial({1});
  by_hand.mutable_vms(0)->mutable_spec()->set_memory_mib(4096);
  ASSERT_OK(Push(by_hand));
  EXPECT_THAT(Changes(Push(Full(1, 2, {1, 2}))), ElementsAre("UPDATE vm-1"));
  ASSERT_OK(vms_.SetPower(UuidOf(1), v1::STOPPED, false, {}));
  EXPECT_THAT(Changes(Push(Full(1, 3, {1, 2}))), ElementsAre("UPDATE vm-1"));
}

TEST_F(PushesTest, AVmMadeAnewIsNotTakenForTheOneThatWasPushed) {
  ASSERT_OK(Push(Full(1, 1, {1})));
  ASSERT_OK(node_.state->RemoveVm(*Uuid::Parse(UuidOf(1))));
  v1::VmSpec other = Vm(1);
  other.set_memory_mib(4096);
  ASSERT_OK(vms_.Create(other, {}));
  EXPECT_THAT(Changes(Push(Full(1, 2, {1}))), ElementsAre("UPDATE vm-1"));
}

TEST_F(PushesTest, AKnownVmThatAnOperatorPushedIsClaimedByTheController) {
  ASSERT_OK(Push(Partial({1})));
  EXPECT_THAT(Changes(Push(Full(1, 1, {1}))), ElementsAre("CLAIM vm-1"));
}

TEST_F(PushesTest, ASpecThatIsNotCanonicalIsKnownByNoOtherName) {
  v1::PushStateRequest push = Full(1, 1, {1});
  v1::VmSpec& spec = *push.mutable_vms(0)->mutable_spec();
  spec.set_uuid(absl::AsciiStrToUpper(spec.uuid()));
  ASSERT_OK(Push(push));
  push.set_generation(2);
  EXPECT_THAT(Changes(Push(push)), IsEmpty());
  EXPECT_EQ(admitted_, 2);
}

TEST_F(PushesTest, OneBadSpecRefusesThePushBeforeAnythingIsDecided) {
  ASSERT_OK(Push(Full(1, 5, {1})));
  v1::PushStateRequest push = Full(1, 4, {1, 2});
  push.mutable_vms(1)->mutable_spec()->clear_vcpus();
  const auto refused = Push(push);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(refused.status()), "vms[1].spec.vcpus");
}

TEST_F(PushesTest, AnEmptyPushEmptiesNoNode) {
  ASSERT_OK(Push(Full(1, 1, {1, 2})));
  const auto empty = Push(Full(1, 2, {}));
  EXPECT_THAT(empty, Fails(absl::StatusCode::kFailedPrecondition, "TOO_MANY_DELETIONS"));
  EXPECT_THAT(std::string(empty.status().message()), HasSubstr("vm-1, vm-2"));
  EXPECT_THAT(Wished(), ElementsAre("vm-1", "vm-2"));
  // It was not accepted, so its generation is free.
  EXPECT_OK(Push(Full(1, 2, {1, 2, 3})));
}

TEST_F(PushesTest, WhatNoPushHasNamedIsNeitherDeletedNorCounted) {
  ASSERT_OK(vms_.Create(Vm(1), {}));
  const auto push = Push(Full(1, 1, {2}));
  EXPECT_THAT(Changes(push), ElementsAre("CREATE vm-2"));
  EXPECT_THAT(push->unclaimed(), ElementsAre(UuidOf(1)));
  EXPECT_THAT(Wished(), ElementsAre("vm-1", "vm-2"));
}

TEST_F(PushesTest, NamingAVmClaimsIt) {
  ASSERT_OK(vms_.Create(Vm(1), {}));
  EXPECT_THAT(Changes(Push(Full(1, 1, {1}))), ElementsAre("CLAIM vm-1"));
  EXPECT_THAT(Push(Full(1, 2, {})),
              Fails(absl::StatusCode::kFailedPrecondition, "TOO_MANY_DELETIONS"));
}

TEST_F(PushesTest, APartialPushLeavesTheOthersAlone) {
  ASSERT_OK(Push(Full(1, 1, {1, 2})));
  v1::PushStateRequest partial = Full(1, 2, {3});
  partial.set_kind(v1::PushStateRequest::PARTIAL);
  partial.add_deletions()->set_uuid(UuidOf(1));
  EXPECT_THAT(Changes(Push(partial)), ElementsAre("CREATE vm-3", "DELETE vm-1"));
  EXPECT_THAT(Wished(), ElementsAre("vm-2", "vm-3"));
}

TEST_F(PushesTest, AnOperatorsPushNeedsNoTermAndClaimsNothing) {
  ASSERT_OK(Push(Full(1, 1, {1})));
  ASSERT_OK(Push(Partial({2})));
  const auto next = Push(Full(1, 2, {1}));
  EXPECT_THAT(Changes(next), IsEmpty());
  EXPECT_THAT(next->unclaimed(), ElementsAre(UuidOf(2)));
}

TEST_F(PushesTest, AnOperatorsPushIsRefusedWhereTheVmHasMovedOn) {
  v1::PushStateRequest push = Partial({1, 2});
  push.mutable_vms(0)->set_if_generation(0);
  push.mutable_vms(1)->set_if_generation(1);
  EXPECT_THAT(Push(push), Fails(absl::StatusCode::kAborted, "VM_CHANGED"));
  EXPECT_THAT(Wished(), IsEmpty());
  push.mutable_vms(1)->set_if_generation(0);
  ASSERT_OK(Push(push));
  EXPECT_THAT(Push(push), Fails(absl::StatusCode::kAborted, "VM_CHANGED"));
}

TEST_F(PushesTest, OneVmThatCannotChangeRefusesThePushWhole) {
  ASSERT_OK(Push(Full(1, 1, {1})));
  const auto vm = *node_.state->GetVm(*Uuid::Parse(UuidOf(1)));
  auto observed = node_.worker.Observe(*vm);
  const auto actions = Plan(*vm, *observed);
  ASSERT_OK(actions);
  for (const Action& action : *actions) ASSERT_OK(node_.worker.Run(*vm, action, *observed));

  v1::PushStateRequest push = Full(1, 2, {2, 1});
  push.mutable_vms(1)->mutable_spec()->mutable_root_disk()->set_image("another");
  const auto refused = Push(push);
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "VM_SPEC_DIFFERS"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("vms[1]"));
  EXPECT_THAT(Wished(), ElementsAre("vm-1"));
}

TEST_F(PushesTest, ADryRunSaysWhatWouldBeDoneAndWhatItMeans) {
  v1::PushStateRequest push = Full(1, 1, {1});
  push.set_dry_run(true);
  const auto created = Push(push);
  ASSERT_OK(created);
  ASSERT_EQ(created->changes_size(), 1);
  EXPECT_THAT(Actions(created->changes(0)),
              ElementsAre("WRITE_RECORD", "PREPARE_ROOT_DISK", "DEFINE_DOMAIN", "START_DOMAIN"));
  EXPECT_EQ(created->term(), 0) << "nothing was accepted";
  EXPECT_THAT(Wished(), IsEmpty());

  ASSERT_OK(Push(Full(1, 1, {1})));
  push = Full(1, 2, {});
  push.set_max_deletions(1);
  push.set_dry_run(true);
  const auto deleted = Push(push);
  ASSERT_OK(deleted);
  ASSERT_EQ(deleted->changes_size(), 1);
  EXPECT_EQ(deleted->changes(0).actions(0).action(), "TRASH_ROOT_DISK");
  EXPECT_THAT(Wished(), ElementsAre("vm-1"));
}

TEST_F(PushesTest, ADryRunNamesWhatWouldFailAndGoesOn) {
  v1::PushStateRequest push = Full(1, 1, {1, 2});
  push.mutable_vms(0)->mutable_spec()->mutable_root_disk()->set_image("no-such-image");
  push.set_dry_run(true);
  const auto planned = Push(push);
  ASSERT_OK(planned);
  ASSERT_EQ(planned->changes_size(), 2);
  ASSERT_EQ(planned->problems_size(), 1);
  EXPECT_EQ(planned->problems(0).name(), "vm-1");
  EXPECT_EQ(planned->problems(0).reason(), "IMAGE_NOT_FOUND");
  EXPECT_THAT(planned->changes(1).actions(), SizeIs(Gt(0)));
}

TEST_F(PushesTest, TheSameRequestTwiceHasOneEffect) {
  const state::RequestKey key{.id = "r1", .method = "NodeService.PushState", .body_digest = "d"};
  ASSERT_OK(Push(Partial({1}), key));
  ASSERT_OK(vms_.Delete(UuidOf(1), state::Disposal::kTrash, {}));
  EXPECT_THAT(Changes(Push(Partial({1}), key)), IsEmpty());
}

}  // namespace
}  // namespace hvagent::reconcile
