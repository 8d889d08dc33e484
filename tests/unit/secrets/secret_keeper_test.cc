#include "secrets/secret_keeper.h"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hvagent::secrets {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = SecretStep::Kind;

Uuid MakeUuid(absl::string_view text) { return Uuid::Parse(text).value(); }

const SecretRecord kDesired = {.uuid = MakeUuid("4810c760-dc42-4e5f-9d41-7346db7d7da2"),
                               .usage = "client.cinder secret"};
const SecretRecord kUnrelated = {.uuid = MakeUuid("11111111-dc42-4e5f-9d41-7346db7d7da2"),
                                 .usage = "client.glance secret"};
const SecretRecord kSameUsage = {.uuid = MakeUuid("22222222-dc42-4e5f-9d41-7346db7d7da2"),
                                 .usage = kDesired.usage};
const SecretRecord kSameUuid = {.uuid = kDesired.uuid, .usage = "an older name"};

CephKey MakeKey(char fill) {
  const std::string header("\x01\0\x5d\x5c\x5b\x5a\x07\0\0\0\x10\0", 12);
  return ParseCephKey(absl::Base64Escape(absl::StrCat(header, std::string(16, fill)))).value();
}

// A store in memory that counts writes and lets a test step in before each of them.
class FakeStore : public SecretStore {
 public:
  struct Entry {
    SecretRecord record;
    SecretBytes value;
  };

  absl::StatusOr<std::vector<SecretRecord>> List() override {
    if (!list_error.ok()) return list_error;
    std::vector<SecretRecord> records;
    for (const auto& [uuid, entry] : entries) records.push_back(entry.record);
    return records;
  }
  absl::Status Define(const SecretRecord& record) override {
    log.push_back("define");
    entries[record.uuid].record = record;
    return absl::OkStatus();
  }
  absl::Status SetValue(const Uuid& uuid, const SecretBytes& value) override {
    log.push_back("set");
    if (!set_error.ok()) return set_error;
    entries.at(uuid).value = value.Clone();
    if (after_set) after_set();
    return absl::OkStatus();
  }
  absl::StatusOr<SecretBytes> GetValue(const Uuid& uuid) override {
    if (!get_error.ok()) return get_error;
    const auto it = entries.find(uuid);
    if (it == entries.end()) {
      return Error(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND", "no such secret");
    }
    if (it->second.value.empty()) {
      return Error(absl::StatusCode::kNotFound, "SECRET_HAS_NO_VALUE", "no value");
    }
    if (it->second.record.is_private) return absl::PermissionDeniedError("private");
    return it->second.value.Clone();
  }
  absl::Status Undefine(const Uuid& uuid) override {
    log.push_back("undefine");
    entries.erase(uuid);
    return absl::OkStatus();
  }

  std::map<Uuid, Entry> entries;
  std::vector<std::string> log;  // writes, in order
  absl::Status list_error, set_error, get_error;
  std::function<void()> after_set;
};

std::vector<Kind> Kinds(const std::vector<SecretStep>& steps) {
  std::vector<Kind> kinds;
  for (const SecretStep& step : steps) {
    EXPECT_FALSE(step.reason.empty());
    kinds.push_back(step.kind);
  }
  return kinds;
}

TEST(PlanSecretTest, DoesWhatIsMissingAndNoMore) {
  struct {
    const char* name;
    std::vector<SecretRecord> present;
    ValueState value;
    std::vector<Kind> plan;
  } const cases[] = {
      {"nothing there", {}, ValueState::kNone, {Kind::kDefine, Kind::kSetValue}},
      {"others there", {kUnrelated}, ValueState::kNone, {Kind::kDefine, Kind::kSetValue}},
      {"no value", {kUnrelated, kDesired}, ValueState::kNone, {Kind::kSetValue}},
      {"another value", {kDesired}, ValueState::kDifferent, {Kind::kSetValue}},
      {"cannot be read", {kDesired}, ValueState::kUnreadable, {Kind::kSetValue}},
      {"right", {kUnrelated, kDesired}, ValueState::kEqual, {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto plan = PlanSecret(kDesired, c.present, c.value);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(Kinds(*plan), c.plan);
  }
}

TEST(PlanSecretTest, NamesTheSecretInTheWay) {
  struct {
    const char* name;
    std::vector<SecretRecord> present;
    std::vector<const char*> said;
  } const cases[] = {
      {"usage under another UUID",
       {kUnrelated, kSameUsage},
       {"has the secret 22222222-dc42-4e5f-9d41-7346db7d7da2 (usage \"client.cinder secret\")",
        "--uuid 22222222-dc42-4e5f-9d41-7346db7d7da2",
        "virsh secret-undefine 22222222-dc42-4e5f-9d41-7346db7d7da2"}},
      {"UUID with another usage",
       {kSameUuid},
       {"has the secret 4810c760-dc42-4e5f-9d41-7346db7d7da2 (usage \"an older name\")",
        "--usage \"an older name\""}},
      {"both", {kSameUuid, kSameUsage}, {"(usage \"an older name\")", "secret 22222222-"}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    // The value is no way around: a UUID with another usage may even hold the right one.
    for (const ValueState value : {ValueState::kNone, ValueState::kEqual}) {
      const auto plan = PlanSecret(kDesired, c.present, value);
      EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_EQ(ErrorReason(plan.status()), "SECRET_CONFLICT");
      for (const char* said : c.said) {
        EXPECT_THAT(std::string(plan.status().message()), HasSubstr(said));
      }
    }
  }
}

TEST(SyncSecretTest, DefinesAndSetsWhatIsAbsent) {
  FakeStore store;
  const auto result = SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(store.log, ElementsAre("define", "set"));
  EXPECT_THAT(Kinds(result->steps), ElementsAre(Kind::kDefine, Kind::kSetValue));
  EXPECT_EQ(result->record, kDesired);
  EXPECT_TRUE(result->has_value);
  EXPECT_TRUE(store.entries.at(kDesired.uuid).value.Equals(MakeKey('k').value()));
}

TEST(SyncSecretTest, WritesNothingTheSecondTime) {
  FakeStore store;
  ASSERT_TRUE(SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false).ok());
  store.log.clear();
  const auto again = SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_THAT(again->steps, IsEmpty());
  EXPECT_THAT(store.log, IsEmpty());
  EXPECT_TRUE(again->has_value);
}

TEST(SyncSecretTest, DryRunPlansAndWritesNothing) {
  FakeStore store;
  const auto result = SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/true);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Kinds(result->steps), ElementsAre(Kind::kDefine, Kind::kSetValue));
  EXPECT_EQ(result->record, kDesired);
  EXPECT_FALSE(result->has_value);
  EXPECT_THAT(store.log, IsEmpty());
}

// define and set are two calls; libvirtd or the agent may die between them.
TEST(SyncSecretTest, GoesOnFromADefineWithoutAValue) {
  FakeStore store;
  store.set_error = absl::UnavailableError("connection lost");
  const auto cut = SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false);
  EXPECT_EQ(cut.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(cut.status().message()), HasSubstr("set the value of secret 4810c760"));

  store.set_error = absl::OkStatus();
  store.log.clear();
  const auto result = SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(store.log, ElementsAre("set"));
}

TEST(SyncSecretTest, ReplacesAWrongValueAndNothingElse) {
  FakeStore store;
  store.entries[kDesired.uuid] = {kDesired, MakeKey('o').value().Clone()};
  store.entries[kUnrelated.uuid] = {kUnrelated, MakeKey('u').value().Clone()};
  ASSERT_TRUE(SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false).ok());
  EXPECT_THAT(store.log, ElementsAre("set"));
  EXPECT_TRUE(store.entries.at(kDesired.uuid).value.Equals(MakeKey('k').value()));
  EXPECT_TRUE(store.entries.at(kUnrelated.uuid).value.Equals(MakeKey('u').value()));
}

TEST(SyncSecretTest, SetsAPrivateValueAgainAndKeepsTheRecordAsItIs) {
  FakeStore store;
  SecretRecord existing = kDesired;
  existing.is_private = true;
  existing.ephemeral = true;
  store.entries[existing.uuid] = {existing, MakeKey('o').value().Clone()};
  const auto result = SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(store.log, ElementsAre("set"));
  EXPECT_EQ(result->record, existing);
  EXPECT_TRUE(store.entries.at(existing.uuid).value.Equals(MakeKey('k').value()));
}

TEST(SyncSecretTest, LeavesAConflictAlone) {
  FakeStore store;
  store.entries[kSameUsage.uuid] = {kSameUsage, MakeKey('k').value().Clone()};
  const auto result = SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false);
  EXPECT_EQ(ErrorReason(result.status()), "SECRET_CONFLICT");
  EXPECT_THAT(store.log, IsEmpty());
}

TEST(SyncSecretTest, NoticesThatSomebodyElseChangesTheSecret) {
  FakeStore store;
  store.after_set = [&] { store.entries.at(kDesired.uuid).value = MakeKey('x').value().Clone(); };
  EXPECT_EQ(ErrorReason(SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false).status()),
            "SECRET_CHANGED");
  store.after_set = [&] { store.entries.clear(); };
  const auto gone = SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false);
  EXPECT_EQ(ErrorReason(gone.status()), "SECRET_CHANGED");
  EXPECT_TRUE(IsRetryable(gone.status()));
}

// Only NOT_FOUND means that there is no value; anything else must not look like it.
TEST(SyncSecretTest, AnErrorWhileLookingIsNotAbsence) {
  FakeStore store;
  store.list_error = absl::UnavailableError("no connection");
  EXPECT_TRUE(
      absl::IsUnavailable(SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false).status()));

  store.list_error = absl::OkStatus();
  store.entries[kDesired.uuid] = {kDesired, MakeKey('o').value().Clone()};
  store.get_error = absl::DeadlineExceededError("no answer");
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      SyncSecret(store, kDesired, MakeKey('k'), /*dry_run=*/false).status()));
  EXPECT_THAT(store.log, IsEmpty());
}

}  // namespace
}  // namespace hvagent::secrets
