#include "agent/reconcile/vm_feed.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Uuid kA = *Uuid::Parse("00000000-0000-4000-8000-00000000000a");
const Uuid kB = *Uuid::Parse("00000000-0000-4000-8000-00000000000b");
const Uuid kC = *Uuid::Parse("00000000-0000-4000-8000-00000000000c");

std::vector<Uuid> After(const VmFeed& feed, uint64_t revision, size_t limit = 100) {
  const auto changes = feed.After(revision, limit);
  EXPECT_OK(changes);
  std::vector<Uuid> uuids;
  if (!changes.ok()) return uuids;
  for (const VmFeed::Change& change : *changes) uuids.push_back(change.uuid);
  return uuids;
}

TEST(VmFeedTest, TellsChangesInTheirOrderFromARevisionOn) {
  VmFeed feed;
  feed.Note(kA, false);
  feed.Note(kB, false);
  feed.Note(kC, false);
  EXPECT_THAT(After(feed, 0), ElementsAre(kA, kB, kC));
  EXPECT_THAT(After(feed, 2), ElementsAre(kC));
  EXPECT_THAT(After(feed, 0, 2), ElementsAre(kA, kB));
  EXPECT_THAT(After(feed, feed.revision()), IsEmpty());
}

TEST(VmFeedTest, OfAVmOnlyTheLatestChangeCounts) {
  VmFeed feed;
  feed.Note(kA, false);
  feed.Note(kB, false);
  feed.Note(kA, false);
  EXPECT_THAT(After(feed, 0), ElementsAre(kB, kA));
}

TEST(VmFeedTest, TellsThatAVmIsGoneAndThatItIsBack) {
  VmFeed feed;
  feed.Note(kA, false);
  feed.Note(kA, true);
  EXPECT_TRUE(feed.After(0, 9)->front().removed);
  feed.Note(kA, false);
  ASSERT_EQ(feed.After(0, 9)->size(), 1);
  EXPECT_FALSE(feed.After(0, 9)->front().removed);
}

TEST(VmFeedTest, WhoWouldMissARemovalMustStartOver) {
  VmFeed feed(/*max_removed=*/1);
  feed.Note(kA, true);
  feed.Note(kB, true);
  EXPECT_THAT(feed.After(0, 9), Fails(absl::StatusCode::kOutOfRange, "REVISION_GONE"));
  EXPECT_THAT(After(feed, 1), ElementsAre(kB)) << "who has heard of the first misses nothing";
}

TEST(VmFeedTest, ARevisionThatIsNotThereYetIsAnothersRevision) {
  VmFeed feed;
  EXPECT_THAT(feed.After(1, 9), Fails(absl::StatusCode::kOutOfRange, "REVISION_GONE"));
}

TEST(VmFeedTest, SubscribersHearOfEachChangeUntilTheyLeave) {
  VmFeed feed;
  int heard = 0;
  const auto id = feed.Subscribe([&] { ++heard; });
  feed.Note(kA, false);
  feed.Note(kA, true);
  feed.Unsubscribe(id);
  feed.Note(kB, false);
  EXPECT_EQ(heard, 2);
}

}  // namespace
}  // namespace hvagent::reconcile
