#include "agent/reconcile/known_specs.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/support/memory_node.h"

namespace hvagent::reconcile {
namespace {

using state::VmHead;

constexpr int64_t kGeneration = 3;

class KnownSpecsTest : public ::testing::Test {
 protected:
  KnownSpecsTest() {
    known_.Remember(uuid_, KnownSpecs::BytesOf(spec_), kGeneration, create_time_);
  }
  bool Knows() { return known_.Find(spec_, heads_) != nullptr; }

  v1::VmSpec spec_ = testing::GuideVm();
  const Uuid uuid_ = *Uuid::Parse(testing::kVmUuid);
  const absl::Time create_time_ = absl::FromUnixSeconds(1700000000);
  std::vector<VmHead> heads_ = {
      {.uuid = uuid_, .generation = kGeneration, .create_time = create_time_}};
  KnownSpecs known_;
};

TEST_F(KnownSpecsTest, KnowsWhatWasSaidOfARecordThatIsTheSame) {
  ASSERT_TRUE(Knows());
  EXPECT_EQ(known_.Find(spec_, heads_), &heads_[0]);
}

TEST_F(KnownSpecsTest, KnowsNoOtherSpecRecordOrVm) {
  spec_.set_memory_mib(spec_.memory_mib() + 1);
  EXPECT_FALSE(Knows());
  spec_ = testing::GuideVm();
  heads_[0].generation = kGeneration + 1;
  EXPECT_FALSE(Knows());
  heads_[0].generation = kGeneration;
  heads_[0].create_time += absl::Nanoseconds(1);
  EXPECT_FALSE(Knows());
  heads_.clear();
  EXPECT_FALSE(Knows());
  spec_.set_uuid("web-1");
  EXPECT_FALSE(Knows());
}

TEST_F(KnownSpecsTest, KnowsTagsInAnyOrder) {
  v1::VmSpec other = testing::GuideVm();
  for (const char* key : {"a", "b", "c", "d", "e"}) (*spec_.mutable_tags())[key] = "x";
  for (const char* key : {"e", "d", "c", "b", "a"}) (*other.mutable_tags())[key] = "x";
  known_.Remember(uuid_, KnownSpecs::BytesOf(other), kGeneration, create_time_);
  EXPECT_TRUE(Knows());
}

TEST_F(KnownSpecsTest, ForgetsWhatAWholePushLeavesOut) {
  v1::PushStateRequest push;
  *push.add_vms()->mutable_spec() = spec_;
  known_.ForgetOthers(push);
  EXPECT_TRUE(Knows());
  push.clear_vms();
  known_.ForgetOthers(push);
  EXPECT_FALSE(Knows());
}

TEST_F(KnownSpecsTest, IsBounded) {
  for (size_t i = 1; i < KnownSpecs::kMost; ++i) {
    known_.Remember(Uuid::Random(), "spec", 1, create_time_);
  }
  EXPECT_TRUE(Knows());
  known_.Remember(Uuid::Random(), "spec", 1, create_time_);
  EXPECT_FALSE(Knows());
}

}  // namespace
}  // namespace hvagent::reconcile
