// What the state store makes of its directory and file: who may open it, and what it refuses.
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "agent/state/state_store.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/state/state_directory.h"

namespace hvagent::state {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kVms = 60;  // enough for several pages

mode_t Mode(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

void Fill(const StateDirectory& directory) {
  const auto store = directory.Open();
  for (int n = 1; n <= kVms; ++n) ASSERT_TRUE(store->PutVm(MakeVm(n)).ok());
}

void RunSql(const std::string& file, const char* sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
}

// Puts one VM in a process that ends without closing the store, as a crash does.
void PutVmAndDie(const StateDirectory& directory) {
  EXPECT_EXIT(
      {
        const auto store = directory.Open();
        _exit(store->PutVm(MakeVm(1)).ok() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(StateFileTest, OnlyItsOwnerCanReadIt) {
  const mode_t old_mask = umask(0);
  const StateDirectory directory;
  const auto store = directory.Open();
  ASSERT_TRUE(store->PutVm(MakeVm(1)).ok());
  umask(old_mask);
  EXPECT_EQ(Mode(directory.path()), 0700u);
  EXPECT_EQ(Mode(directory.file("state.db")), 0600u);
  EXPECT_EQ(Mode(directory.file("state.db-wal")), 0600u);
}

TEST(StateFileTest, KeepsWhatWasPutOverAReopen) {
  const StateDirectory directory;
  Fill(directory);
  EXPECT_EQ(directory.Open()->ListVmUuids()->size(), size_t{kVms});
}

TEST(StateFileTest, KeepsWhatWasPutOverACrash) {
  const StateDirectory directory;
  PutVmAndDie(directory);
  EXPECT_THAT(directory.Open()->ListVmUuids().value(), ElementsAre(MakeVm(1).uuid));
}

TEST(StateFileTest, StartsAgainWhereMakingTheFileWasCutOff) {
  const StateDirectory directory;
  ASSERT_EQ(mkdir(directory.path().c_str(), 0700), 0);
  directory.Write("state.db.new", "half a database");
  EXPECT_TRUE(directory.Open()->PutVm(MakeVm(1)).ok());
  EXPECT_EQ(access(directory.file("state.db.new").c_str(), F_OK), -1);
}

TEST(StateFileTest, OpensForOneAgentAtATime) {
  const StateDirectory directory;
  auto first = directory.Open();
  const auto second = StateStore::Open(directory.path());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(second.status()), "STATE_IN_USE");
  EXPECT_TRUE(first->PutVm(MakeVm(1)).ok());

  first.reset();
  EXPECT_THAT(directory.Open()->ListVmUuids().value(), ElementsAre(MakeVm(1).uuid));
}

TEST(StateFileTest, RefusesTheSchemaOfANewerAgent) {
  const StateDirectory directory;
  Fill(directory);
  RunSql(directory.file("state.db"), "PRAGMA user_version = 1000");
  const std::string before = directory.Read("state.db");
  const auto store = StateStore::Open(directory.path());
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(store.status()), "STATE_SCHEMA");
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("schema 1000"));
  EXPECT_EQ(directory.Read("state.db"), before);
}

// The tables of schema 1 that changed since.
TEST(StateFileTest, TakesOverTheStateOfAnOlderAgent) {
  const StateDirectory directory;
  Fill(directory);
  RunSql(directory.file("state.db"),
         "ALTER TABLE vms DROP COLUMN restart;"
         "ALTER TABLE vms DROP COLUMN claimed;"
         "ALTER TABLE vms DROP COLUMN disposal;"
         "ALTER TABLE vms DROP COLUMN undeleting;"
         "ALTER TABLE vms DROP COLUMN stays_off;"
         "DROP TABLE deleted_vms;"
         "DROP TABLE pushes;"
         "DROP TABLE former_specs;"
         "DROP TABLE secrets;"
         "CREATE TABLE secrets (entity TEXT PRIMARY KEY NOT NULL, uuid BLOB NOT NULL, "
         "usage TEXT NOT NULL) STRICT, WITHOUT ROWID;"
         "INSERT INTO secrets VALUES ('client.cinder', "
         "x'4810c760dc424e5f9d417346db7d7da2', 'client.cinder secret');"
         "PRAGMA user_version = 1");
  for (int opened = 0; opened < 2; ++opened) {
    const auto store = directory.Open();
    EXPECT_EQ(store->ListVmUuids()->size(), size_t{kVms});
    EXPECT_EQ(store->ListVms(Uuid(), kVms)->size(), size_t{kVms});
    EXPECT_EQ(store->GetLastPush()->term, 0);
    EXPECT_EQ(store->ListDeletedVms(Uuid(), 1)->size(), 0u);
    const auto secrets = store->ListSecrets();
    ASSERT_TRUE(secrets.ok()) << secrets.status();
    EXPECT_THAT(*secrets, ElementsAre(SecretBinding{
                              .entity = "client.cinder",
                              .uuid = *Uuid::Parse("4810c760-dc42-4e5f-9d41-7346db7d7da2"),
                              .usage = "client.cinder secret"}));
  }
}

TEST(StateFileTest, RefusesADirectoryWithoutAParent) {
  const auto store = StateStore::Open("/nonexistent/hypervisor-agent");
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(store.status()), "STATE_UNWRITABLE");
}

struct Damage {
  const char* name;
  const char* problem;
  std::function<void(const StateDirectory&)> apply;
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class DamageTest : public testing::TestWithParam<Damage> {};

TEST_P(DamageTest, IsRefusedAndLeftAsItIs) {
  const StateDirectory directory;
  Fill(directory);
  GetParam().apply(directory);
  const std::string damaged = directory.Read("state.db");

  // Twice: a first refusal must not make the second one an empty start.
  for (int i = 0; i < 2; ++i) {
    const auto store = StateStore::Open(directory.path());
    EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
    EXPECT_EQ(ErrorReason(store.status()), "STATE_CORRUPT");
    EXPECT_THAT(std::string(store.status().message()), HasSubstr(directory.file("state.db")));
    EXPECT_THAT(std::string(store.status().message()), HasSubstr(GetParam().problem));
    EXPECT_THAT(std::string(store.status().message()), HasSubstr("left as it is"));
    EXPECT_EQ(directory.Read("state.db"), damaged);
  }
}

void Truncate(const StateDirectory& directory, size_t size) {
  const std::string content = directory.Read("state.db");
  ASSERT_GT(content.size(), size);
  directory.Write("state.db", content.substr(0, size));
}

void Overwrite(const StateDirectory& directory, size_t at, const std::string& bytes) {
  std::string content = directory.Read("state.db");
  ASSERT_GT(content.size(), at + bytes.size());
  directory.Write("state.db", content.replace(at, bytes.size(), bytes));
}

constexpr size_t kPage = 4096;

INSTANTIATE_TEST_SUITE_P(
    All, DamageTest,
    testing::Values(
        Damage{"Emptied", "is empty or cut short", [](const auto& d) { Truncate(d, 0); }},
        Damage{"CutInTheHeader", "is empty or cut short", [](const auto& d) { Truncate(d, 50); }},
        Damage{"CutInTheFirstPage", "is damaged", [](const auto& d) { Truncate(d, 1000); }},
        Damage{"CutAfterTheFirstPage", "is damaged", [](const auto& d) { Truncate(d, kPage); }},
        Damage{"LastPageLost", "is damaged",
               [](const auto& d) { Truncate(d, d.Read("state.db").size() - kPage); }},
        Damage{"NotADatabase", "is damaged",
               [](const auto& d) { d.Write("state.db", std::string(3 * kPage, 'x')); }},
        Damage{"Zeros", "is damaged",
               [](const auto& d) { d.Write("state.db", std::string(3 * kPage, '\0')); }},
        Damage{"APageOfZeros", "is damaged",
               [](const auto& d) { Overwrite(d, kPage, std::string(kPage, '\0')); }},
        Damage{"ABitOfAPageHeader", "is damaged",
               [](const auto& d) {
                 const char kind = d.Read("state.db")[kPage];
                 Overwrite(d, kPage, std::string(1, static_cast<char>(kind ^ 0x10)));
               }},
        Damage{"ADatabaseOfSomethingElse", "is a database of something else",
               [](const auto& d) { RunSql(d.file("state.db"), "PRAGMA application_id = 7"); }},
        Damage{"NoSchema", "has schema 0",
               [](const auto& d) { RunSql(d.file("state.db"), "PRAGMA user_version = 0"); }}),
    [](const auto& test) { return test.param.name; });

// The log of a crash holds what is not in the file yet: a refusal must keep both.
TEST(StateFileTest, ARefusalKeepsTheLogOfACrashToo) {
  const StateDirectory directory;
  Fill(directory);
  PutVmAndDie(directory);
  Overwrite(directory, kPage, std::string(kPage, '\0'));
  const std::string file = directory.Read("state.db");
  const std::string log = directory.Read("state.db-wal");
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(ErrorReason(StateStore::Open(directory.path()).status()), "STATE_CORRUPT");
  EXPECT_EQ(directory.Read("state.db"), file);
  EXPECT_EQ(directory.Read("state.db-wal"), log);
}

TEST(StateFileTest, AFileThatIsGoneWhileItsLogIsThereIsNotAFreshStart) {
  const StateDirectory directory;
  PutVmAndDie(directory);
  ASSERT_EQ(unlink(directory.file("state.db").c_str()), 0);
  EXPECT_EQ(ErrorReason(StateStore::Open(directory.path()).status()), "STATE_CORRUPT");
  EXPECT_EQ(access(directory.file("state.db").c_str(), F_OK), -1);
}

TEST(StateFileTest, ARowThatCannotBeReadIsNotTakenForAbsent) {
  const StateDirectory directory;
  Fill(directory);
  RunSql(directory.file("state.db"), "UPDATE vms SET spec = x'ff' WHERE name = 'instance-7'");
  const auto store = directory.Open();
  EXPECT_EQ(ErrorReason(store->GetVm(MakeVm(7).uuid).status()), "STATE_CORRUPT");
  EXPECT_EQ(ErrorReason(store->ListVms(Uuid(), kVms).status()), "STATE_CORRUPT");
  EXPECT_TRUE(store->GetVm(MakeVm(8).uuid).ok());
}

}  // namespace
}  // namespace hvagent::state
