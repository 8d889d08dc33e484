#include "agent/block/memory_cluster_keys.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {
namespace {

using hvagent::testing::Fails;
using secrets::ParseCephKey;

constexpr char kFsid[] = "48cf4e27-6493-49d7-9e5f-3dead2d87b6e";
constexpr char kEntity[] = "client.cinder";
constexpr char kKey[] = "AQBf+wJrXmZAFxAAx7NPkAzxDRwY+XABrA7IPg==";
constexpr char kOtherKey[] = "AQBf+wJrXmZAFxAAx7NPkAzxDRwY+XABrA7IPQ==";

auto Refused() { return Fails(absl::StatusCode::kUnauthenticated, "CEPH_KEY_REFUSED"); }

TEST(MemoryClusterKeysTest, AClusterThatTakesStrangersInHoldsThemToTheirFirstKey) {
  const auto cluster = std::make_shared<MemoryCluster>(kFsid, MemoryCluster::Strangers::kTakenIn);
  MemoryClusterKeys node(cluster), other_node(cluster);
  EXPECT_THAT(node.Fetch(kEntity), Fails(absl::StatusCode::kNotFound, "CEPH_ENTITY_NOT_FOUND"));
  EXPECT_OK(node.Prove(kEntity, *ParseCephKey(kKey)));
  EXPECT_OK(other_node.Prove(kEntity, *ParseCephKey(kKey)));
  EXPECT_THAT(other_node.Prove(kEntity, *ParseCephKey(kOtherKey)), Refused());
  EXPECT_OK(node.Prove("client.glance", *ParseCephKey(kOtherKey)));
  const auto fetched = other_node.Fetch(kEntity);
  ASSERT_OK(fetched);
  EXPECT_TRUE(fetched->value().Equals(ParseCephKey(kKey)->value()));
}

TEST(MemoryClusterKeysTest, AKeyThatAnOperatorReplacedIsRefused) {
  const auto cluster = std::make_shared<MemoryCluster>(kFsid);
  MemoryClusterKeys node(cluster);
  cluster->SetKey(kEntity, *ParseCephKey(kKey));
  ASSERT_OK(node.Prove(kEntity, *ParseCephKey(kKey)));
  cluster->SetKey(kEntity, *ParseCephKey(kOtherKey));
  EXPECT_THAT(node.Prove(kEntity, *ParseCephKey(kKey)), Refused());
  EXPECT_OK(node.Prove(kEntity, *ParseCephKey(kOtherKey)));
}

// Nodes simulated in different processes report fingerprints that can be compared.
TEST(MemoryClusterKeysTest, TheSaltIsTheClustersAndNotTheProcesss) {
  const MemoryCluster cluster(kFsid), same(kFsid), other("00000000-0000-4000-8000-000000000001");
  EXPECT_TRUE(cluster.FingerprintSalt().Equals(same.FingerprintSalt()));
  EXPECT_FALSE(cluster.FingerprintSalt().Equals(other.FingerprintSalt()));
  EXPECT_EQ(MemoryCluster("").FingerprintSalt().size(), 32u);
}

TEST(MemoryClusterKeysTest, AnAgentThatMayNotFetchMayDoTheRest) {
  const auto cluster = std::make_shared<MemoryCluster>(kFsid);
  cluster->SetKey(kEntity, *ParseCephKey(kKey));
  MemoryClusterKeys node(cluster), other_node(cluster);
  node.SetCaps(MemoryClusterKeys::Caps::kNoFetch);
  EXPECT_THAT(node.Fetch(kEntity), Fails(absl::StatusCode::kPermissionDenied, "CEPH_CAPS"));
  EXPECT_OK(node.Prove(kEntity, *ParseCephKey(kKey)));
  EXPECT_OK(node.FingerprintSalt());
  EXPECT_OK(node.Claim(kEntity, {Uuid::Random(), "usage"}, std::nullopt));
  EXPECT_OK(other_node.Fetch(kEntity));
}

TEST(MemoryClusterKeysTest, AClaimThatTimedOutMayHaveBeenMade) {
  MemoryClusterKeys node(std::make_shared<MemoryCluster>(kFsid));
  const secrets::SecretClaim wanted{Uuid::Random(), "usage"};
  node.faults().FailCall(1, absl::DeadlineExceededError("lost on its way back"),
                         hypervisor::MemoryFaults::Effect::kDone);
  EXPECT_TRUE(absl::IsDeadlineExceeded(node.Claim(kEntity, wanted, std::nullopt)));
  EXPECT_EQ(*node.GetClaim(kEntity), wanted);
  EXPECT_OK(node.Claim(kEntity, wanted, std::nullopt));
}

}  // namespace
}  // namespace hvagent::block
