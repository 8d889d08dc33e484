#include "agent/state/group_commit.h"

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace hvagent::state {
namespace {

class GroupCommitTest : public testing::Test {
 protected:
  GroupCommitTest() : database_(*Database::Open(":memory:")) {
    // A value that is no owner is found out by the commit only.
    EXPECT_TRUE(database_
                    ->Execute("PRAGMA foreign_keys = ON;"
                              "CREATE TABLE owners (name TEXT PRIMARY KEY);"
                              "INSERT INTO owners VALUES ('ada');"
                              "CREATE TABLE items (id INTEGER PRIMARY KEY, owner TEXT REFERENCES "
                              "owners (name) DEFERRABLE INITIALLY DEFERRED);")
                    .ok());
  }

  static absl::Status Insert(Database& database, int64_t id, absl::string_view owner = "ada") {
    auto insert = database.Prepare("INSERT INTO items VALUES (?1, ?2)", id, owner);
    return insert.ok() ? insert->Run() : insert.status();
  }

  // Runs `changes` so that all but the first are committed together.
  std::vector<absl::Status> RunTogether(
      const std::vector<std::function<absl::Status(Database&)>>& changes) {
    std::vector<absl::Status> results(changes.size());
    std::promise<void> first_runs;
    std::promise<void> first_may_end;
    std::atomic<size_t> called{0};
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      results[0] = commits_.Run([&](Database& database) {
        first_runs.set_value();
        first_may_end.get_future().wait();
        return changes[0](database);
      });
    });
    first_runs.get_future().wait();
    for (size_t i = 1; i < changes.size(); ++i) {
      threads.emplace_back([&, i] {
        ++called;
        results[i] = commits_.Run([&](Database& database) { return changes[i](database); });
      });
    }
    while (called < changes.size() - 1) std::this_thread::yield();
    first_may_end.set_value();
    for (std::thread& thread : threads) thread.join();
    return results;
  }

  std::string Items() {
    return *database_->QueryText(
        "SELECT ifnull(group_concat(id), '') FROM "
        "(SELECT id FROM items ORDER BY id)");
  }

  std::unique_ptr<Database> database_;
  Mutex mutex_;
  GroupCommit commits_{mutex_, *database_};
};

TEST_F(GroupCommitTest, CommitsWhatComesMeanwhile) {
  std::vector<std::function<absl::Status(Database&)>> changes;
  for (int64_t id = 1; id <= 8; ++id) {
    changes.emplace_back([id](Database& database) { return Insert(database, id); });
  }
  for (const absl::Status& status : RunTogether(changes)) EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Items(), "1,2,3,4,5,6,7,8");
  EXPECT_FALSE(database_->InTransaction());
}

TEST_F(GroupCommitTest, AChangeThatFailsTakesBackOnlyItself) {
  const std::vector<absl::Status> results = RunTogether({
      [](Database& database) { return Insert(database, 1); },
      [](Database& database) { return Insert(database, 2); },
      [](Database& database) {
        EXPECT_TRUE(Insert(database, 3).ok());
        return absl::AbortedError("on second thoughts");
      },
      [](Database& database) { return Insert(database, 4); },
  });
  EXPECT_TRUE(results[1].ok()) << results[1];
  EXPECT_EQ(results[2].code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(results[3].ok()) << results[3];
  EXPECT_EQ(Items(), "1,2,4");
}

TEST_F(GroupCommitTest, ACommitThatFailsIsToldToTheCallerAndLeavesNothing) {
  const absl::Status status =
      commits_.Run([](Database& database) { return Insert(database, 1, "nobody"); });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(Items(), "");
  EXPECT_TRUE(commits_.Run([](Database& database) { return Insert(database, 1); }).ok());
  EXPECT_EQ(Items(), "1");
}

}  // namespace
}  // namespace hvagent::state
