// What the state store does when the disk fails it. SQLite's system calls go through functions of
// this program (it is found first), which count them and fail on demand.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>

#include "agent/state/state_store.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/state/state_directory.h"

namespace {

std::atomic<int> write_error{0};  // an errno; 0: none
std::atomic<int> sync_error{0};
std::atomic<int> syncs{0};

}  // namespace

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): glibc's own names are reserved
extern "C" ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  if (write_error != 0) {
    errno = write_error;
    return -1;
  }
  return syscall(SYS_pwrite64, fd, data, size, offset);
}

extern "C" int fdatasync(int fd) {
  ++syncs;
  if (sync_error != 0) {
    errno = sync_error;
    return -1;
  }
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)

namespace hvagent::state {
namespace {

using testing::ElementsAre;

const RequestRecord kRequest = {.method = "Create", .body_digest = "digest"};

class StateDiskTest : public testing::Test {
 protected:
  StateDiskTest() { EXPECT_TRUE(store_->PutVm(MakeVm(1)).ok()); }
  ~StateDiskTest() override { Heal(); }

  static Changes ThirdVm(const std::string& request_id) {
    return {.vms = {{MakeVm(3), /*seen_generation=*/0}},
            .request_id = request_id,
            .request = kRequest,
            .now = absl::FromUnixSeconds(1)};
  }

  void Heal() {
    write_error = 0;
    sync_error = 0;
  }

  // No write is acknowledged, and the state before it is there: now, after the disk is well again,
  // and after a restart.
  void ExpectWritesAreRefusedAndStateStays() {
    VmRecord changed = MakeVm(1);
    changed.generation = 99;
    for (const absl::Status& status :
         {store_->PutVm(MakeVm(2)), store_->PutVm(changed), store_->RemoveVm(MakeVm(1).uuid),
          store_->Commit(ThirdVm("id"))}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
      EXPECT_EQ(ErrorReason(status), "STATE_UNWRITABLE");
      EXPECT_TRUE(RawCode(status, "sqlite").has_value());
    }
    ExpectOnlyTheFirstVm();
    Heal();
    ExpectOnlyTheFirstVm();
    store_.reset();
    store_ = directory_.Open();
    ExpectOnlyTheFirstVm();
    EXPECT_TRUE(store_->Commit(ThirdVm("id")).ok());
  }

  StateStore& store() { return *store_; }

 private:
  void ExpectOnlyTheFirstVm() {
    EXPECT_THAT(store_->ListVmUuids().value(), ElementsAre(MakeVm(1).uuid));
    EXPECT_EQ((*store_->GetVm(MakeVm(1).uuid))->generation, 1);
    EXPECT_FALSE(store_->GetRequest("id")->has_value());
  }

  StateDirectory directory_;
  std::unique_ptr<StateStore> store_ = directory_.Open();
};

TEST_F(StateDiskTest, AFullDiskRefusesWritesAndKeepsTheState) {
  write_error = ENOSPC;
  ExpectWritesAreRefusedAndStateStays();
}

TEST_F(StateDiskTest, AWriteErrorRefusesWritesAndKeepsTheState) {
  write_error = EIO;
  ExpectWritesAreRefusedAndStateStays();
}

TEST_F(StateDiskTest, AFailedSyncIsNeverAcknowledged) {
  sync_error = EIO;
  ExpectWritesAreRefusedAndStateStays();
}

TEST_F(StateDiskTest, EveryAcknowledgedWriteWasSynced) {
  const absl::Time now = absl::FromUnixSeconds(1);
  v1::Operation operation;
  operation.set_id("a");
  const std::function<absl::Status()> writes[] = {
      [&] { return store().PutVm(MakeVm(2)); },
      [&] { return store().RemoveVm(MakeVm(2).uuid); },
      [&] {
        return store().PutSecret(
            {.entity = "client.cinder", .uuid = MakeVm(1).uuid, .usage = "usage"});
      },
      [&] { return store().PutOperation(operation); },
      [&] { return store().PutRequest("1", kRequest, now); },
      [&] { return store().Commit(ThirdVm("2")); },
  };
  for (const auto& write : writes) {
    const int before = syncs;
    ASSERT_TRUE(write().ok());
    EXPECT_EQ(syncs, before + 1) << "one sync: no fewer, and no more";
  }
}

TEST_F(StateDiskTest, ReadsDoNotWaitForTheDisk) {
  const int before = syncs;
  EXPECT_TRUE(store().GetVm(MakeVm(1).uuid)->has_value());
  EXPECT_EQ(store().ListVmUuids()->size(), 1u);
  EXPECT_EQ(syncs, before);
}

TEST(StateDiskOpenTest, AFullDiskWhileTheFileIsMadeLeavesNoFile) {
  const StateDirectory directory;
  write_error = ENOSPC;
  const auto store = StateStore::Open(directory.path());
  write_error = 0;
  EXPECT_EQ(ErrorReason(store.status()), "STATE_UNWRITABLE");
  EXPECT_EQ(access(directory.file("state.db").c_str(), F_OK), -1);
  EXPECT_TRUE(directory.Open()->PutVm(MakeVm(1)).ok());
}

}  // namespace
}  // namespace hvagent::state
