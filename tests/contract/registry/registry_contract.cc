#include "tests/contract/registry/registry_contract.h"

#include <algorithm>
#include <latch>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/unknown_field_set.h"
#include "google/protobuf/util/message_differencer.h"
#include "tests/support/status_matchers.h"

namespace hvagent::registry {

using google::protobuf::util::MessageDifferencer;
using hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using v1::RegistryRecord;

const auto kConflict = Fails(absl::StatusCode::kAborted, "REGISTRY_CONFLICT");
const auto kInvalid = Fails(absl::StatusCode::kInvalidArgument, "INVALID_FIELD");

RegistryContract::RegistryContract()
    : subject_(GetParam()()),
      here_(absl::StrCat("contract-", Uuid::Random().ToString())),
      there_(absl::StrCat("contract-", Uuid::Random().ToString())) {}

RegistryContract::~RegistryContract() {
  for (const Uuid& vm : vms_) {
    subject_->RemoveBytes(vm);
    for (const std::string& node : {here_, there_}) {
      EXPECT_OK(registry().RemoveFromIndex(node, vm));
    }
  }
}

Uuid RegistryContract::NewVm() {
  vms_.push_back(Uuid::Random());
  return vms_.back();
}

RegistryRecord RegistryContract::RecordOf(const Uuid& vm) const {
  RegistryRecord record;
  record.set_node(here_);
  record.set_epoch(1);
  record.set_generation(7);
  record.set_state(RegistryRecord::RUNNING);
  record.mutable_spec()->set_uuid(vm.ToString());
  record.mutable_spec()->set_name("instance-00000028");
  RegistryRecord::Disk* const disk = record.add_disks();
  disk->set_pool("vms");
  disk->set_image(vm.ToString() + "_disk");
  disk->add_addresses("10.0.0.1:0/2444662204");
  return record;
}

Entry RegistryContract::Created(const Uuid& vm) {
  const auto entry = registry().Put(RecordOf(vm), std::nullopt);
  EXPECT_OK(entry);
  return entry.value_or(Entry());
}

std::vector<Uuid> RegistryContract::List(const std::string& node) {
  const auto vms = registry().ListNode(node, Uuid(), 100);
  EXPECT_OK(vms);
  return vms.value_or(std::vector<Uuid>());
}

TEST_P(RegistryContract, AVmThatNobodyPutIsNobodys) {
  const auto entry = registry().Get(NewVm());
  ASSERT_OK(entry);
  EXPECT_FALSE(entry->has_value());
  EXPECT_THAT(List(here_), IsEmpty());
}

TEST_P(RegistryContract, EveryNodeReadsWhatOneHasPut) {
  const Uuid vm = NewVm();
  const Entry put = Created(vm);
  EXPECT_EQ(put.record.format(), 1u);
  const auto read = other_node().Get(vm);
  ASSERT_OK(read);
  ASSERT_TRUE(read->has_value());
  EXPECT_TRUE(MessageDifferencer::Equals((*read)->record, put.record));
  EXPECT_EQ((*read)->version, put.version);
  EXPECT_THAT(List(here_), ElementsAre(vm));
}

TEST_P(RegistryContract, ASpecMayCarryAMebibyteOfCloudInit) {
  const Uuid vm = NewVm();
  RegistryRecord record = RecordOf(vm);
  for (const size_t size : {(8u << 10) - 100, 8u << 10, 1u << 20}) {
    record.mutable_spec()->mutable_cloud_init()->set_user_data(std::string(size, 'x'));
    const auto standing = registry().Get(vm);
    ASSERT_OK(standing);
    ASSERT_OK(registry().Put(record, *standing));
    EXPECT_EQ((*registry().Get(vm))->record.spec().cloud_init().user_data().size(), size);
  }
}

TEST_P(RegistryContract, OnlyTheRecordThatWasReadIsReplaced) {
  const Uuid vm = NewVm();
  const Entry first = Created(vm);
  RegistryRecord next = first.record;
  next.set_generation(8);
  const auto second = registry().Put(next, first);
  ASSERT_OK(second);
  EXPECT_NE(second->version, first.version);

  next.set_generation(9);
  EXPECT_THAT(other_node().Put(next, first), kConflict);
  EXPECT_THAT(other_node().Put(next, std::nullopt), kConflict);
  EXPECT_EQ((*registry().Get(vm))->record.generation(), 8);
  EXPECT_OK(other_node().Put(next, *second));
}

TEST_P(RegistryContract, ARecordThatWasRemovedAndMadeAnewIsNotTheOneThatWasRead) {
  const Uuid vm = NewVm();
  const Entry first = Created(vm);
  ASSERT_OK(registry().Remove(first));
  EXPECT_THAT(registry().Put(first.record, first), kConflict);
  const Entry second = Created(vm);
  EXPECT_THAT(registry().Put(first.record, first), kConflict);
  EXPECT_THAT(registry().Remove(first), kConflict);
  EXPECT_OK(registry().Put(second.record, second));
}

TEST_P(RegistryContract, OfManyWhoPutAtOnceOneWins) {
  const Uuid vm = NewVm();
  constexpr int kEach = 4;
  for (std::optional<Entry> standing; !standing.has_value() || standing->record.generation() < 3;) {
    std::latch start(2 * kEach);
    std::vector<absl::Status> statuses(2 * kEach);
    std::vector<std::thread> threads;
    for (int i = 0; i < 2 * kEach; ++i) {
      threads.emplace_back([&, i] {
        RegistryRecord record = RecordOf(vm);
        record.set_generation(standing.has_value() ? standing->record.generation() + 1 : 1);
        Registry& node = i < kEach ? registry() : other_node();
        start.arrive_and_wait();
        statuses[i] = node.Put(record, standing).status();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::count_if(statuses.begin(), statuses.end(), [](auto& s) { return s.ok(); }), 1);
    for (const absl::Status& status : statuses) {
      if (!status.ok()) {
        EXPECT_THAT(status, kConflict);
      }
    }
    standing = *registry().Get(vm);
  }
}

TEST_P(RegistryContract, AnotherNodeBecomesTheOwnerOnlyWithAGreaterEpoch) {
  const Uuid vm = NewVm();
  const Entry standing = Created(vm);
  RegistryRecord moved = standing.record;
  moved.set_node(there_);
  EXPECT_THAT(registry().Put(moved, standing), kInvalid);
  moved.set_epoch(2);
  const auto entry = other_node().Put(moved, standing);
  ASSERT_OK(entry);
  EXPECT_THAT(List(there_), ElementsAre(vm));
  EXPECT_THAT(List(here_), IsEmpty());

  RegistryRecord older = entry->record;
  older.set_epoch(1);
  EXPECT_THAT(registry().Put(older, *entry), kInvalid);
}

TEST_P(RegistryContract, ARecordThatLacksSomethingIsNotPut) {
  const Uuid vm = NewVm();
  const std::function<void(RegistryRecord&)> kLacks[] = {
      [](RegistryRecord& record) { record.clear_node(); },
      [](RegistryRecord& record) { record.clear_epoch(); },
      [](RegistryRecord& record) { record.clear_state(); },
  };
  for (const auto& lack : kLacks) {
    RegistryRecord record = RecordOf(vm);
    lack(record);
    EXPECT_THAT(registry().Put(record, std::nullopt), kInvalid);
  }
  RegistryRecord nobodys = RecordOf(vm);
  nobodys.clear_spec();
  EXPECT_EQ(registry().Put(nobodys, std::nullopt).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(List(here_), IsEmpty());
}

TEST_P(RegistryContract, WhatIsRemovedIsGoneFromTheIndexTooAndTwiceIsNoError) {
  const Uuid vm = NewVm(), kept = NewVm();
  const Entry entry = Created(vm);
  Created(kept);
  ASSERT_OK(registry().Remove(entry));
  EXPECT_FALSE(registry().Get(vm)->has_value());
  EXPECT_THAT(List(here_), ElementsAre(kept));
  EXPECT_OK(registry().Remove(entry));
}

TEST_P(RegistryContract, ARecordThatChangedIsNotRemoved) {
  const Uuid vm = NewVm();
  const Entry first = Created(vm);
  ASSERT_OK(other_node().Put(first.record, first));
  EXPECT_THAT(registry().Remove(first), kConflict);
  EXPECT_TRUE(registry().Get(vm)->has_value());
  EXPECT_THAT(List(here_), ElementsAre(vm));
}

TEST_P(RegistryContract, AVmWithoutARecordIsTakenFromTheIndex) {
  const Uuid vm = NewVm();
  Created(vm);
  subject_->RemoveBytes(vm);
  ASSERT_THAT(List(here_), ElementsAre(vm));
  ASSERT_OK(registry().RemoveFromIndex(here_, vm));
  EXPECT_THAT(List(here_), IsEmpty());
  EXPECT_OK(registry().RemoveFromIndex(here_, vm));
  EXPECT_OK(registry().RemoveFromIndex(there_, vm));
}

TEST_P(RegistryContract, ANodesVmsAreListedInPages) {
  std::vector<Uuid> vms;
  for (int i = 0; i < 5; ++i) Created(vms.emplace_back(NewVm()));
  std::sort(vms.begin(), vms.end());
  EXPECT_THAT(*registry().ListNode(here_, Uuid(), 2), ElementsAre(vms[0], vms[1]));
  EXPECT_THAT(*registry().ListNode(here_, vms[1], 2), ElementsAre(vms[2], vms[3]));
  EXPECT_THAT(*registry().ListNode(here_, vms[3], 2), ElementsAre(vms[4]));
  EXPECT_THAT(*registry().ListNode(here_, vms[4], 2), IsEmpty());
  EXPECT_THAT(List(here_), ElementsAreArray(vms));
  EXPECT_THAT(List(there_), IsEmpty());
}

TEST_P(RegistryContract, WhatANewerAgentWroteIsRefusedAndLeft) {
  const Uuid vm = NewVm();
  RegistryRecord record = RecordOf(vm);
  record.set_format(2);
  subject_->SetBytes(vm, record.SerializeAsString());
  EXPECT_THAT(registry().Get(vm), Fails(absl::StatusCode::kFailedPrecondition, "REGISTRY_FORMAT"));
  EXPECT_THAT(registry().Put(RecordOf(vm), std::nullopt), kConflict);
  EXPECT_EQ(subject_->Bytes(vm), record.SerializeAsString());
}

TEST_P(RegistryContract, WhatIsDamagedIsNeitherNobodysNorAnybodys) {
  const Uuid vm = NewVm(), other = NewVm();
  RegistryRecord of_another = RecordOf(other);
  of_another.set_format(1);
  RegistryRecord without_owner = RecordOf(vm);
  without_owner.set_format(1);
  without_owner.clear_node();
  for (const std::string& bytes :
       {std::string(), std::string("\xff\xff no proto"), of_another.SerializeAsString(),
        without_owner.SerializeAsString(), RecordOf(vm).SerializeAsString()}) {
    subject_->SetBytes(vm, bytes);
    EXPECT_THAT(registry().Get(vm), Fails(absl::StatusCode::kDataLoss, "REGISTRY_RECORD"));
    EXPECT_THAT(registry().Put(RecordOf(vm), std::nullopt), kConflict);
  }
}

TEST_P(RegistryContract, WhatANewerAgentAddedIsKept) {
  const Uuid vm = NewVm();
  RegistryRecord newer = RecordOf(vm);
  newer.set_format(1);
  newer.GetReflection()->MutableUnknownFields(&newer)->AddVarint(1000, 5);
  subject_->SetBytes(vm, newer.SerializeAsString());
  const auto read = registry().Get(vm);
  ASSERT_OK(read);
  RegistryRecord changed = (*read)->record;
  changed.set_generation(8);
  ASSERT_OK(registry().Put(changed, *read));
  newer.set_generation(8);
  RegistryRecord kept;
  ASSERT_TRUE(kept.ParseFromString(subject_->Bytes(vm)));
  EXPECT_TRUE(MessageDifferencer::Equals(kept, newer));
}

}  // namespace hvagent::registry
