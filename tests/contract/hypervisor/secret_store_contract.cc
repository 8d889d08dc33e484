#include "tests/contract/hypervisor/secret_store_contract.h"

#include <unistd.h>

#include <atomic>
#include <optional>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {

using hvagent::testing::Fails;
using hvagent::testing::IsOk;
using hvagent::testing::Notices;
using secrets::SecretBytes;
using secrets::SecretRecord;
using ::testing::Contains;
using ::testing::Not;

SecretStoreContract::SecretStoreContract() : subject_(GetParam()()) {}

SecretStoreContract::~SecretStoreContract() {
  store().SetListener(nullptr);
  if (!subject_->can_undefine()) return;
  for (const Uuid& uuid : uuids_) {
    const absl::Status removed = store().Undefine(uuid);
    EXPECT_TRUE(removed.ok() || absl::IsNotFound(removed)) << removed;
  }
}

SecretRecord SecretStoreContract::NewRecord() {
  static std::atomic<int> count = 0;
  uuids_.push_back(Uuid::Random());
  return {.uuid = uuids_.back(), .usage = absl::StrCat("contract ", getpid(), " ", ++count)};
}

SecretRecord SecretStoreContract::DefinedRecord(const std::string& value) {
  SecretRecord record = NewRecord();
  EXPECT_THAT(store().Define(record), IsOk());
  if (!value.empty()) {
    EXPECT_THAT(store().SetValue(record.uuid, SecretBytes(value)), IsOk());
  }
  return record;
}

std::string SecretStoreContract::ValueOf(const SecretRecord& record) {
  const auto value = store().GetValue(record.uuid);
  return value.ok() ? std::string(value->Reveal()) : value.status().ToString();
}

std::vector<SecretRecord> SecretStoreContract::List() {
  auto records = store().List();
  EXPECT_THAT(records, IsOk());
  return records.ok() ? *std::move(records) : std::vector<SecretRecord>();
}

void SecretStoreContract::Listen(Notices& notices) {
  store().SetListener(notices.Listener());
  ASSERT_TRUE(notices.AwaitLookAt(DefinedRecord().uuid));
}

namespace {

auto SecretNotFound() { return Fails(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND"); }
auto HasNoValue() { return Fails(absl::StatusCode::kNotFound, "SECRET_HAS_NO_VALUE"); }
auto Conflicts() { return Fails(absl::StatusCode::kAlreadyExists, "SECRET_CONFLICT"); }
auto IsPrivate() { return Fails(absl::StatusCode::kPermissionDenied, "SECRET_IS_PRIVATE"); }

TEST_P(SecretStoreContract, DefinedSecretIsListedWithoutValue) {
  const SecretRecord record = DefinedRecord();
  EXPECT_THAT(List(), Contains(record));
  EXPECT_THAT(store().GetValue(record.uuid), HasNoValue());
}

TEST_P(SecretStoreContract, KeepsUsageThatXmlMustEscape) {
  SecretRecord record = NewRecord();
  record.usage += " <&>\"'";
  EXPECT_THAT(store().Define(record), IsOk());
  EXPECT_THAT(List(), Contains(record));
}

TEST_P(SecretStoreContract, ValueIsRawBytes) {
  const std::string raw("\0\x01\x7f\x80\xff\n=\0", 8);
  EXPECT_EQ(ValueOf(DefinedRecord(raw)), raw);
}

TEST_P(SecretStoreContract, ValueCanBeReplacedButNotEmptied) {
  const SecretRecord record = DefinedRecord("first");
  EXPECT_THAT(store().SetValue(record.uuid, SecretBytes("second")), IsOk());
  EXPECT_EQ(ValueOf(record), "second");
  EXPECT_THAT(store().SetValue(record.uuid, SecretBytes("second")), IsOk());
  EXPECT_EQ(ValueOf(record), "second");
  EXPECT_TRUE(absl::IsInvalidArgument(store().SetValue(record.uuid, SecretBytes())));
  EXPECT_EQ(ValueOf(record), "second");
}

TEST_P(SecretStoreContract, DefiningAgainKeepsTheValue) {
  const SecretRecord record = DefinedRecord("key");
  EXPECT_THAT(store().Define(record), IsOk());
  EXPECT_EQ(ValueOf(record), "key");
}

TEST_P(SecretStoreContract, RefusesUsageOfAnotherUuid) {
  const SecretRecord owner = DefinedRecord("key");
  SecretRecord other = NewRecord();
  other.usage = owner.usage;
  EXPECT_THAT(store().Define(other), Conflicts());
  EXPECT_THAT(store().GetValue(other.uuid), SecretNotFound());
  EXPECT_EQ(ValueOf(owner), "key");
}

TEST_P(SecretStoreContract, RefusesAnotherUsageForUuid) {
  const SecretRecord owner = DefinedRecord("key");
  SecretRecord changed = owner;
  changed.usage += " changed";
  EXPECT_THAT(store().Define(changed), Conflicts());
  EXPECT_THAT(List(), Contains(owner));
  EXPECT_THAT(List(), Not(Contains(changed)));
}

TEST_P(SecretStoreContract, MissingSecretIsNotFoundByEveryCall) {
  const SecretRecord record = NewRecord();
  EXPECT_THAT(store().GetValue(record.uuid), SecretNotFound());
  EXPECT_THAT(store().SetValue(record.uuid, SecretBytes("key")), SecretNotFound());
  EXPECT_THAT(store().Undefine(record.uuid), SecretNotFound());
}

TEST_P(SecretStoreContract, PrivateValueIsNotGivenBack) {
  SecretRecord record = NewRecord();
  record.is_private = true;
  EXPECT_THAT(store().Define(record), IsOk());
  EXPECT_THAT(store().SetValue(record.uuid, SecretBytes("key")), IsOk());
  EXPECT_THAT(List(), Contains(record));
  EXPECT_THAT(store().GetValue(record.uuid), IsPrivate());
}

TEST_P(SecretStoreContract, SecretBecomesPrivateButNotReadableAgain) {
  SecretRecord record = DefinedRecord("key");
  record.is_private = true;
  EXPECT_THAT(store().Define(record), IsOk());
  EXPECT_THAT(List(), Contains(record));
  EXPECT_THAT(store().GetValue(record.uuid), IsPrivate());
  record.is_private = false;
  EXPECT_THAT(store().Define(record), Conflicts());
  EXPECT_THAT(store().GetValue(record.uuid), IsPrivate());
}

TEST_P(SecretStoreContract, KeepsEphemeralSecrets) {
  if (!subject().can_be_ephemeral()) GTEST_SKIP() << "this driver crashes on ephemeral secrets";
  SecretRecord record = NewRecord();
  record.ephemeral = true;
  EXPECT_THAT(store().Define(record), IsOk());
  EXPECT_THAT(store().SetValue(record.uuid, SecretBytes("key")), IsOk());
  EXPECT_THAT(List(), Contains(record));
  EXPECT_EQ(ValueOf(record), "key");
  record.ephemeral = false;
  EXPECT_THAT(store().Define(record), IsOk());
  EXPECT_THAT(List(), Contains(record));
  EXPECT_EQ(ValueOf(record), "key");
}

TEST_P(SecretStoreContract, UndefineRemovesSecretWithItsValue) {
  if (!subject().can_undefine()) GTEST_SKIP() << "this driver crashes when it undefines";
  const SecretRecord record = DefinedRecord("key");
  EXPECT_THAT(store().Undefine(record.uuid), IsOk());
  EXPECT_THAT(List(), Not(Contains(record)));
  EXPECT_THAT(store().GetValue(record.uuid), SecretNotFound());
  EXPECT_THAT(store().Define(record), IsOk());
  EXPECT_THAT(store().GetValue(record.uuid), HasNoValue());
}

TEST_P(SecretStoreContract, TellsListenerOfEveryChange) {
  Notices notices;
  Listen(notices);
  const SecretRecord record = DefinedRecord();
  EXPECT_TRUE(notices.Await(record.uuid)) << "defined";
  EXPECT_THAT(store().SetValue(record.uuid, SecretBytes("first")), IsOk());
  EXPECT_TRUE(notices.Await(record.uuid)) << "got a value";
  EXPECT_THAT(store().SetValue(record.uuid, SecretBytes("second")), IsOk());
  EXPECT_TRUE(notices.Await(record.uuid)) << "got another value";
  if (subject().can_undefine()) {
    EXPECT_THAT(store().Undefine(record.uuid), IsOk());
    EXPECT_TRUE(notices.Await(record.uuid)) << "undefined";
  }
  store().SetListener(nullptr);
}

TEST_P(SecretStoreContract, ListenerSetLateIsToldOnceToLookAtAll) {
  if (!subject().is_unheard()) GTEST_SKIP() << "the tests share this one";
  Notices notices;
  DefinedRecord("first");
  DefinedRecord("second");
  store().SetListener(notices.Listener());
  EXPECT_TRUE(notices.Await(std::nullopt));
  // What comes later is told of by name.
  EXPECT_TRUE(notices.Await(DefinedRecord().uuid));
  EXPECT_THAT(notices.Left(), Not(Contains(std::nullopt)));
  store().SetListener(nullptr);
}

TEST_P(SecretStoreContract, RemovedListenerHearsNoMore) {
  Notices removed;
  Notices listening;
  store().SetListener(removed.Listener());
  Listen(listening);
  const size_t before = removed.Left().size();
  EXPECT_TRUE(listening.Await(DefinedRecord().uuid));
  EXPECT_EQ(removed.Left().size(), before);
  store().SetListener(nullptr);
}

}  // namespace
}  // namespace hvagent::hypervisor
