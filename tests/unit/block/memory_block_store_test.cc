// What MemoryBlockStore has beside the seam; the seam itself is tested by tests/contract/block.
#include "agent/block/memory_block_store.h"

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

namespace hvagent::block {
namespace {

using ::testing::HasSubstr;

const ImageName kImage{"images", "", "golden"};
const ImageName kDisk{"vms", "", "disk"};

class MemoryBlockStoreTest : public testing::Test {
 protected:
  MemoryBlockStoreTest() {
    store_.CreatePool("images");
    store_.CreatePool("vms");
  }

  MemoryBlockStore store_{"48cf4e27-6493-49d7-9e5f-3dead2d87b6e", {}};
};

TEST_F(MemoryBlockStoreTest, FailsTheNthCallOnceAndDoesNothingThen) {
  store_.FailNth(2, absl::UnavailableError("ordered"));
  EXPECT_TRUE(store_.CreateImage(kImage, MiB(1), MiB(4)).ok());
  EXPECT_TRUE(store_.FailurePending());
  EXPECT_EQ(store_.CreateImage(kDisk, MiB(1), MiB(4)), absl::UnavailableError("ordered"));
  EXPECT_FALSE(store_.FailurePending());
  EXPECT_TRUE(absl::IsNotFound(store_.GetImage(kDisk).status()));
}

TEST_F(MemoryBlockStoreTest, ACallThatFailsOnItsWayBackTookEffect) {
  store_.FailNext(absl::DeadlineExceededError("ordered"), MemoryBlockStore::Effect::kDone);
  EXPECT_EQ(store_.CreateImage(kImage, MiB(1), MiB(4)), absl::DeadlineExceededError("ordered"));
  EXPECT_TRUE(store_.GetImage(kImage).ok());
}

TEST_F(MemoryBlockStoreTest, AWritersCallsCountAndItsFirstErrorSticks) {
  ASSERT_TRUE(store_.CreateImage(kImage, MiB(1), MiB(4)).ok());
  auto writer = store_.OpenWriter(kImage);
  ASSERT_TRUE(writer.ok());
  store_.FailNth(2, absl::UnavailableError("ordered"));
  EXPECT_TRUE((*writer)->Write(0, "a").ok());
  EXPECT_EQ((*writer)->Write(1, "b"), absl::UnavailableError("ordered"));
  EXPECT_EQ((*writer)->Write(2, "c"), absl::UnavailableError("ordered"));
  EXPECT_EQ((*writer)->Finish(), absl::UnavailableError("ordered"));
  EXPECT_EQ(*store_.ReadImage(kImage, 0, 3), absl::string_view("a\0\0", 3));
}

TEST_F(MemoryBlockStoreTest, AFailedOpenLeavesNoWatcher) {
  ASSERT_TRUE(store_.CreateImage(kImage, MiB(1), MiB(4)).ok());
  store_.FailNext(absl::DeadlineExceededError("ordered"), MemoryBlockStore::Effect::kDone);
  EXPECT_FALSE(store_.OpenWriter(kImage).ok());
  EXPECT_TRUE(store_.RemoveImage(kImage).ok());
}

TEST_F(MemoryBlockStoreTest, WhileCephIsAwayEveryCallFailsAndNothingChanges) {
  ASSERT_TRUE(store_.CreateImage(kImage, MiB(1), MiB(4)).ok());
  const absl::Status away = absl::UnavailableError("away");
  store_.SetHealth(away);
  EXPECT_EQ(store_.Health(), away);
  EXPECT_EQ(store_.GetCluster().status(), away);
  EXPECT_EQ(store_.RemoveImage(kImage), away);
  store_.SetHealth(absl::OkStatus());
  EXPECT_TRUE(store_.Health().ok());
  EXPECT_TRUE(store_.GetImage(kImage).ok());
}

TEST_F(MemoryBlockStoreTest, AWatchedImageStaysUntilItsWatcherLeaves) {
  ASSERT_TRUE(store_.CreateImage(kImage, MiB(1), MiB(4)).ok());
  store_.AddWatcher(kImage, "10.0.0.5:0/77");
  EXPECT_THAT(std::string(store_.RemoveImage(kImage).message()), HasSubstr("10.0.0.5:0/77"));
  store_.RemoveWatcher("10.0.0.5:0/77");
  EXPECT_TRUE(store_.RemoveImage(kImage).ok());
}

TEST_F(MemoryBlockStoreTest, OfManyThreadsThatCloneToOneNameOneSucceeds) {
  ASSERT_TRUE(store_.CreateImage(kImage, MiB(1), MiB(4)).ok());
  ASSERT_TRUE(store_.CreateProtectedSnapshot({kImage, "snap"}).ok());
  std::atomic<int> cloned = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      if (store_.CloneImage({kImage, "snap"}, kDisk).ok()) ++cloned;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cloned, 1);
}

}  // namespace
}  // namespace hvagent::block
