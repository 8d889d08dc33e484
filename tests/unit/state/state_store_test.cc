#include "agent/state/state_store.h"

#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/state/state_directory.h"

namespace hvagent::state {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr size_t kAll = std::numeric_limits<size_t>::max();

void ExpectSame(const VmRecord& a, const VmRecord& b) {
  EXPECT_EQ(a.uuid, b.uuid);
  EXPECT_EQ(a.spec.SerializeAsString(), b.spec.SerializeAsString());
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.force_stop, b.force_stop);
  EXPECT_EQ(a.restart, b.restart);
  EXPECT_EQ(a.deleting, b.deleting);
  EXPECT_EQ(a.disposal, b.disposal);
  EXPECT_EQ(a.undeleting, b.undeleting);
  EXPECT_EQ(a.stays_off, b.stays_off);
  EXPECT_EQ(a.claimed, b.claimed);
  EXPECT_EQ(a.create_time, b.create_time);
}

v1::Operation MakeOperation(absl::string_view id, int64_t seconds, v1::Operation::State state) {
  v1::Operation operation;
  operation.set_id(std::string(id));
  operation.set_kind(v1::Operation::IMAGE_IMPORT);
  operation.set_state(state);
  operation.mutable_create_time()->set_seconds(seconds);
  operation.mutable_update_time()->set_seconds(seconds);
  return operation;
}

class StateStoreTest : public testing::Test {
 protected:
  std::vector<Uuid> ListVms(const Uuid& after, size_t limit) {
    std::vector<Uuid> uuids;
    const auto vms = store().ListVms(after, limit);
    for (const VmRecord& vm : *vms) uuids.push_back(vm.uuid);
    return uuids;
  }
  std::vector<std::string> ListOperations(absl::string_view before, size_t limit) {
    std::vector<std::string> ids;
    const auto operations = store().ListOperations(before, limit);
    for (const v1::Operation& operation : *operations) ids.push_back(operation.id());
    return ids;
  }
  StateStore& store() { return *store_; }

 private:
  std::unique_ptr<StateStore> store_ = StateStore::Open(":memory:").value();
};

TEST_F(StateStoreTest, GivesBackAllOfAVm) {
  VmRecord vm = MakeVm(1);
  vm.generation = 41;
  vm.force_stop = true;
  vm.restart = true;
  vm.deleting = true;
  vm.disposal = Disposal::kRemove;
  vm.undeleting = true;
  vm.stays_off = true;
  vm.create_time = absl::FromUnixNanos(1'700'000'000'123'456'789);
  ASSERT_TRUE(store().PutVm(vm).ok());

  const auto by_uuid = store().GetVm(vm.uuid);
  ASSERT_TRUE(by_uuid.ok() && by_uuid->has_value());
  ExpectSame(**by_uuid, vm);
  const auto by_name = store().GetVmByName("instance-1");
  ASSERT_TRUE(by_name.ok() && by_name->has_value());
  ExpectSame(**by_name, vm);
}

TEST_F(StateStoreTest, AnUnknownVmIsAbsentAndNoError) {
  EXPECT_EQ(store().GetVm(MakeVm(1).uuid).value(), std::nullopt);
  EXPECT_EQ(store().GetVmByName("instance-1").value(), std::nullopt);
  EXPECT_TRUE(store().RemoveVm(MakeVm(1).uuid).ok());
}

TEST_F(StateStoreTest, PutReplacesTheVmOfThatUuid) {
  VmRecord vm = MakeVm(1);
  ASSERT_TRUE(store().PutVm(vm).ok());
  vm.spec.set_name("renamed");
  vm.generation = 2;
  vm.deleting = true;
  ASSERT_TRUE(store().PutVm(vm).ok());
  ExpectSame(**store().GetVm(vm.uuid), vm);
  EXPECT_EQ(store().GetVmByName("instance-1").value(), std::nullopt);
  EXPECT_THAT(store().ListVmUuids().value(), ElementsAre(vm.uuid));
}

TEST_F(StateStoreTest, ARestartEndsUnlessTheVmHasChangedSince) {
  VmRecord vm = MakeVm(1);
  vm.generation = 7;
  vm.restart = true;
  vm.force_stop = true;
  ASSERT_TRUE(store().PutVm(vm).ok());
  ASSERT_TRUE(store().EndRestart(vm.uuid, 6).ok());
  ExpectSame(**store().GetVm(vm.uuid), vm);
  ASSERT_TRUE(store().EndRestart(vm.uuid, 7).ok());
  vm.restart = false;
  vm.force_stop = false;
  ExpectSame(**store().GetVm(vm.uuid), vm);
}

TEST_F(StateStoreTest, AGuestIsLeftOffUnlessItsVmHasChangedSince) {
  VmRecord vm = MakeVm(1);
  vm.generation = 7;
  ASSERT_TRUE(store().PutVm(vm).ok());
  ASSERT_TRUE(store().LeaveOff(vm.uuid, 6).ok());
  ExpectSame(**store().GetVm(vm.uuid), vm);
  ASSERT_TRUE(store().LeaveOff(vm.uuid, 7).ok());
  vm.stays_off = true;
  ExpectSame(**store().GetVm(vm.uuid), vm);
}

TEST_F(StateStoreTest, ADeletedVmIsNoVmAndIsKnownUntilItIsForgotten) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  VmRecord vm = MakeVm(1);
  vm.generation = 7;
  ASSERT_TRUE(store().PutVm(vm).ok());
  ASSERT_TRUE(store().MoveToDeleted(vm.uuid, now, now + absl::Hours(24)).ok());
  EXPECT_EQ(store().GetVm(vm.uuid).value(), std::nullopt);
  const auto deleted = store().GetDeletedVm(vm.uuid).value();
  ASSERT_TRUE(deleted.has_value());
  ExpectSame(deleted->vm, vm);
  EXPECT_EQ(deleted->delete_time, now);
  EXPECT_EQ(deleted->kept_until, now + absl::Hours(24));

  // Its name is free, and of two deleted VMs that had it the later one is meant.
  VmRecord second = MakeVm(2);
  second.spec.set_name("instance-1");
  ASSERT_TRUE(store().PutVm(second).ok());
  ASSERT_TRUE(store().MoveToDeleted(second.uuid, now + absl::Hours(1), now + absl::Hours(2)).ok());
  EXPECT_EQ(store().GetDeletedVmByName("instance-1").value()->vm.uuid, second.uuid);
  EXPECT_EQ(store().ListDeletedVms(Uuid(), kAll)->size(), 2u);
  EXPECT_EQ(store().ListDeletedVms(Uuid(), 1)->size(), 1u);
  ASSERT_TRUE(store().PruneDeletedVms(now + absl::Hours(3)).ok());
  EXPECT_EQ(store().ListDeletedVms(Uuid(), kAll)->size(), 1u);
  EXPECT_EQ(store().GetDeletedVm(second.uuid).value(), std::nullopt);
  EXPECT_TRUE(store().MoveToDeleted(second.uuid, now, now).ok()) << "one that is gone is no error";
}

TEST_F(StateStoreTest, AVmOfThatUuidTakesThePlaceOfADeletedOne) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  VmRecord vm = MakeVm(1);
  vm.generation = 7;
  ASSERT_TRUE(store().PutVm(vm).ok());
  ASSERT_TRUE(store().MoveToDeleted(vm.uuid, now, now).ok());
  ASSERT_TRUE(store().Commit({.vms = {{.vm = vm, .seen_generation = 0}}}).ok());
  EXPECT_EQ(store().GetDeletedVm(vm.uuid).value(), std::nullopt);
  ExpectSame(**store().GetVm(vm.uuid), vm);
}

TEST_F(StateStoreTest, ANameBelongsToOneVmUntilThatIsRemoved) {
  ASSERT_TRUE(store().PutVm(MakeVm(1)).ok());
  VmRecord second = MakeVm(2);
  second.spec.set_name("instance-1");
  const absl::Status status = store().PutVm(second);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrorReason(status), "VM_NAME_TAKEN");
  EXPECT_EQ(store().GetVm(second.uuid).value(), std::nullopt);

  ASSERT_TRUE(store().RemoveVm(MakeVm(1).uuid).ok());
  EXPECT_TRUE(store().PutVm(second).ok());
}

TEST_F(StateStoreTest, AVmThatTakesAnothersNameStaysAsItWas) {
  ASSERT_TRUE(store().PutVm(MakeVm(1)).ok());
  ASSERT_TRUE(store().PutVm(MakeVm(2)).ok());
  VmRecord renamed = MakeVm(2);
  renamed.spec.set_name("instance-1");
  EXPECT_EQ(ErrorReason(store().PutVm(renamed)), "VM_NAME_TAKEN");
  ExpectSame(**store().GetVm(renamed.uuid), MakeVm(2));
}

// 0x0100... sorts after 0x00...ff only when UUIDs compare as bytes.
TEST_F(StateStoreTest, ListsVmsByUuidPageByPage) {
  const std::vector<int> numbers = {300, 2, 255, 1, 256};
  for (const int n : numbers) ASSERT_TRUE(store().PutVm(MakeVm(n)).ok());
  const auto uuid = [](int n) { return MakeVm(n).uuid; };
  EXPECT_THAT(ListVms(Uuid(), 2), ElementsAre(uuid(1), uuid(2)));
  EXPECT_THAT(ListVms(uuid(2), 2), ElementsAre(uuid(255), uuid(256)));
  EXPECT_THAT(ListVms(uuid(256), 2), ElementsAre(uuid(300)));
  EXPECT_THAT(ListVms(uuid(300), 2), IsEmpty());
  // The VM that the last page ended with may be gone by now.
  EXPECT_THAT(ListVms(uuid(3), 1), ElementsAre(uuid(255)));
  EXPECT_EQ(ListVms(Uuid(), kAll).size(), numbers.size());
  EXPECT_EQ(store().ListVmUuids().value(), ListVms(Uuid(), kAll));
  EXPECT_THAT(ListVms(Uuid(), 0), IsEmpty());
}

TEST_F(StateStoreTest, KeepsOneSecretForEachEntity) {
  const SecretBinding cinder = {.entity = "client.cinder",
                                .uuid = MakeVm(1).uuid,
                                .usage = "client.cinder secret",
                                .ephemeral = true,
                                .is_private = true,
                                .replacing = true,
                                .fingerprint = "0123456789abcdef",
                                .generation_unix_s = 1'700'000'000,
                                .sealed_key = std::string("\0sealed\xff", 8),
                                .prove_time = absl::FromUnixSeconds(1'700'000'001),
                                .superseded_by = "client.vm"};
  SecretBinding glance = {.entity = "client.glance", .uuid = MakeVm(2).uuid, .usage = "old"};
  ASSERT_TRUE(store().PutSecret(glance).ok());
  ASSERT_TRUE(store().PutSecret(cinder).ok());
  glance.usage = "new";
  ASSERT_TRUE(store().PutSecret(glance).ok());

  EXPECT_EQ(store().GetSecret("client.admin").value(), std::nullopt);
  const auto found = store().GetSecret("client.glance");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ(**found, glance);
  EXPECT_THAT(store().ListSecrets().value(), ElementsAre(cinder, glance));

  EXPECT_TRUE(store().RemoveSecret("client.glance").ok());
  EXPECT_TRUE(store().RemoveSecret("client.glance").ok());
  EXPECT_THAT(store().ListSecrets().value(), ElementsAre(cinder));
}

TEST_F(StateStoreTest, ListsOperationsNewestFirstPageByPage) {
  for (const auto& [id, seconds] : {std::pair("c", 10), {"a", 30}, {"b", 20}, {"d", 20}}) {
    ASSERT_TRUE(store().PutOperation(MakeOperation(id, seconds, v1::Operation::SUCCEEDED)).ok());
  }
  EXPECT_THAT(ListOperations("", kAll), ElementsAre("a", "d", "b", "c"));
  EXPECT_THAT(ListOperations("", 2), ElementsAre("a", "d"));
  EXPECT_THAT(ListOperations("d", 1), ElementsAre("b"));
  EXPECT_THAT(ListOperations("b", 9), ElementsAre("c"));
  EXPECT_THAT(ListOperations("c", 9), IsEmpty());
  EXPECT_THAT(ListOperations("unknown", 9), IsEmpty());
}

TEST_F(StateStoreTest, PutReplacesTheOperationOfThatId) {
  v1::Operation operation = MakeOperation("a", 10, v1::Operation::RUNNING);
  ASSERT_TRUE(store().PutOperation(operation).ok());
  operation.set_bytes_done(5);
  operation.set_state(v1::Operation::SUCCEEDED);
  ASSERT_TRUE(store().PutOperation(operation).ok());
  const auto found = store().GetOperation("a");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->SerializeAsString(), operation.SerializeAsString());
  EXPECT_THAT(store().ListRunningOperations().value(), IsEmpty());
  EXPECT_EQ(store().GetOperation("b").value().has_value(), false);
}

TEST_F(StateStoreTest, PrunesOldOperationsThatEndedAndKeepsTheRunning) {
  using v1::Operation;
  ASSERT_TRUE(store().PutOperation(MakeOperation("running", 1, Operation::RUNNING)).ok());
  ASSERT_TRUE(store().PutOperation(MakeOperation("succeeded", 2, Operation::SUCCEEDED)).ok());
  ASSERT_TRUE(store().PutOperation(MakeOperation("failed", 3, Operation::FAILED)).ok());
  ASSERT_TRUE(store().PutOperation(MakeOperation("cancelled", 4, Operation::CANCELLED)).ok());
  ASSERT_TRUE(store().PutOperation(MakeOperation("new", 100, Operation::SUCCEEDED)).ok());
  ASSERT_TRUE(store().PruneOperations(absl::FromUnixSeconds(100)).ok());
  EXPECT_THAT(ListOperations("", kAll), ElementsAre("new", "running"));
  ASSERT_EQ(store().ListRunningOperations()->size(), 1u);
  EXPECT_EQ(store().ListRunningOperations()->front().id(), "running");
}

const RequestRecord kRequest = {.method = "Create", .body_digest = std::string("\0\xff digest", 9)};

TEST_F(StateStoreTest, KeepsARequestOnce) {
  const absl::Time now = absl::FromUnixSeconds(10);
  EXPECT_EQ(store().GetRequest("id").value().has_value(), false);
  ASSERT_TRUE(store().PutRequest("id", kRequest, now).ok());
  const auto found = store().GetRequest("id");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->method, kRequest.method);
  EXPECT_EQ((*found)->body_digest, kRequest.body_digest);

  const absl::Status again = store().PutRequest("id", {"Delete", "x"}, now);
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrorReason(again), "REQUEST_ID_USED");
  EXPECT_EQ((*store().GetRequest("id"))->method, "Create");
}

TEST_F(StateStoreTest, KeepsRequestsWithEmptyParts) {
  ASSERT_TRUE(store().PutRequest("id", RequestRecord(), absl::FromUnixSeconds(10)).ok());
  EXPECT_EQ((*store().GetRequest("id"))->method, "");
}

TEST_F(StateStoreTest, PrunesRequestsBeforeTheCutoff) {
  ASSERT_TRUE(store().PutRequest("old", kRequest, absl::FromUnixSeconds(9)).ok());
  ASSERT_TRUE(store().PutRequest("new", kRequest, absl::FromUnixSeconds(10)).ok());
  ASSERT_TRUE(store().PruneRequests(absl::FromUnixSeconds(10)).ok());
  EXPECT_FALSE(store().GetRequest("old")->has_value());
  EXPECT_TRUE(store().GetRequest("new")->has_value());
}

Changes FirstVmWithRequest(int n, const std::string& request_id) {
  return {.vms = {{MakeVm(n), /*seen_generation=*/0}},
          .request_id = request_id,
          .request = kRequest,
          .now = absl::FromUnixSeconds(10)};
}

TEST_F(StateStoreTest, CommitsVmsThePushAndTheRequestTogether) {
  Changes changes = FirstVmWithRequest(1, "id");
  changes.vms.push_back({MakeVm(2), 0});
  changes.push = PushRecord{"controller", 3, 7, "digest"};
  ASSERT_TRUE(store().Commit(changes).ok());
  EXPECT_TRUE(store().GetVm(MakeVm(1).uuid)->has_value());
  EXPECT_TRUE(store().GetVm(MakeVm(2).uuid)->has_value());
  EXPECT_TRUE(store().GetRequest("id")->has_value());
  const auto push = store().GetLastPush();
  ASSERT_TRUE(push.ok());
  EXPECT_EQ(push->controller, "controller");
  EXPECT_EQ(push->term, 3);
  EXPECT_EQ(push->generation, 7);
  EXPECT_EQ(push->digest, "digest");
}

TEST_F(StateStoreTest, KnowsThatNobodyHasPushedYet) {
  const auto push = store().GetLastPush();
  ASSERT_TRUE(push.ok());
  EXPECT_EQ(push->term, 0);
}

TEST_F(StateStoreTest, CommitsNothingWhenTheRequestIdIsUsed) {
  ASSERT_TRUE(store().PutRequest("id", kRequest, absl::FromUnixSeconds(10)).ok());
  EXPECT_EQ(ErrorReason(store().Commit(FirstVmWithRequest(1, "id"))), "REQUEST_ID_USED");
  EXPECT_FALSE(store().GetVm(MakeVm(1).uuid)->has_value());
  // The transaction is over: the next one can begin.
  EXPECT_TRUE(store().Commit(FirstVmWithRequest(1, "id2")).ok());
}

TEST_F(StateStoreTest, CommitsNothingWhenANameIsTaken) {
  ASSERT_TRUE(store().PutVm(MakeVm(1)).ok());
  Changes changes = FirstVmWithRequest(2, "id");
  changes.vms.push_back({MakeVm(3), 0});
  changes.vms.back().vm.spec.set_name("instance-1");
  EXPECT_EQ(ErrorReason(store().Commit(changes)), "VM_NAME_TAKEN");
  EXPECT_FALSE(store().GetVm(MakeVm(2).uuid)->has_value());
  EXPECT_FALSE(store().GetRequest("id")->has_value());
}

TEST_F(StateStoreTest, CommitsNothingWhenAVmIsNotAsItWasSeen) {
  ASSERT_TRUE(store().PutVm(MakeVm(1)).ok());
  VmRecord changed = MakeVm(1);
  changed.generation = 3;
  for (const int64_t seen : {0, 2}) {
    Changes changes = FirstVmWithRequest(2, "id");
    changes.vms.push_back({changed, seen});
    const absl::Status status = store().Commit(changes);
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << seen;
    EXPECT_EQ(ErrorReason(status), "VM_CHANGED");
  }
  EXPECT_EQ((*store().GetVm(MakeVm(1).uuid))->generation, 1);
  EXPECT_FALSE(store().GetVm(MakeVm(2).uuid)->has_value());
}

TEST_F(StateStoreTest, ACommitAtTheSameGenerationChangesOnlyWhoseTheVmIs) {
  VmRecord restarting = MakeVm(1);
  restarting.restart = true;
  ASSERT_TRUE(store().PutVm(restarting).ok());
  ASSERT_TRUE(store().EndRestart(restarting.uuid, restarting.generation).ok());
  restarting.claimed = true;  // as it was seen before the restart ended
  ASSERT_TRUE(store().Commit({.vms = {{restarting, restarting.generation}}}).ok());
  const auto vm = *store().GetVm(restarting.uuid);
  EXPECT_TRUE(vm->claimed);
  EXPECT_FALSE(vm->restart);
}

// A VM of three specs: with 1 vCPU until generation 2, with 2 until 5, with 3 now.
TEST_F(StateStoreTest, KnowsWhatAVmWasAtEachGeneration) {
  VmRecord vm = MakeVm(1);
  ASSERT_TRUE(store().PutVm(vm).ok());
  for (const auto& [seen, next, vcpus] : {std::tuple(1, 3, 2), std::tuple(3, 6, 3)}) {
    vm.generation = seen;
    ASSERT_TRUE(store().PutVm(vm).ok());
    VmChange change{vm, seen, vm.spec};
    change.vm.generation = next;
    change.vm.spec.set_vcpus(static_cast<uint32_t>(vcpus));
    ASSERT_TRUE(store().Commit({.vms = {change}}).ok());
    vm = change.vm;
  }
  EXPECT_EQ(store().GetFormerSpec(vm.uuid, 1)->value().vcpus(), MakeVm(1).spec.vcpus());
  EXPECT_EQ(store().GetFormerSpec(vm.uuid, 2)->value().vcpus(), 2);
  EXPECT_EQ(store().GetFormerSpec(vm.uuid, 3)->value().vcpus(), 2);
  EXPECT_FALSE(store().GetFormerSpec(vm.uuid, 4)->has_value()) << "as it is now";
  ASSERT_TRUE(store().RemoveVm(vm.uuid).ok());
  EXPECT_FALSE(store().GetFormerSpec(vm.uuid, 1)->has_value());
}

TEST_F(StateStoreTest, KeepsAHundredFormerSpecsOfAVm) {
  VmRecord vm = MakeVm(1);
  ASSERT_TRUE(store().PutVm(vm).ok());
  for (int64_t generation = 1; generation <= 105; ++generation) {
    VmChange change{vm, generation, vm.spec};
    change.vm.generation = generation + 1;
    change.vm.spec.set_memory_mib(static_cast<uint64_t>(1000 + generation));
    ASSERT_TRUE(store().Commit({.vms = {change}}).ok());
    vm = change.vm;
  }
  EXPECT_EQ(store().GetFormerSpec(vm.uuid, 105)->value().memory_mib(), 1104);
  EXPECT_EQ(store().GetFormerSpec(vm.uuid, 1)->value().memory_mib(), 1005) << "the oldest kept";
}

TEST_F(StateStoreTest, ServesSeveralThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int n = t * kEach; n < (t + 1) * kEach; ++n) {
        EXPECT_TRUE(store().PutVm(MakeVm(n + 1)).ok());
        EXPECT_TRUE(store().GetVm(MakeVm(n + 1).uuid)->has_value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store().ListVmUuids()->size(), size_t{kThreads * kEach});
}

}  // namespace
}  // namespace hvagent::state
