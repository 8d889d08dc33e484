#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/block/memory_cluster_keys.h"
#include "base/error.h"
#include "base/uuid.h"
#include "tests/contract/block/cluster_keys_contract.h"

namespace hvagent::block {
namespace {

// A key of type aes that nobody else has.
secrets::CephKey NewKey() {
  const Uuid::Bytes secret = Uuid::Random().bytes();
  return *secrets::ParseCephKey(absl::Base64Escape(
      absl::StrCat(absl::HexStringToBytes("010000f15365000000001000"),
                   absl::string_view(reinterpret_cast<const char*>(secret.data()), 16))));
}

class MemoryUnderTest : public ClusterKeysUnderTest {
 public:
  secrets::ClusterKeys& keys() override { return keys_; }
  secrets::ClusterKeys& other_node() override { return other_node_; }

  std::unique_ptr<secrets::ClusterKeys> WithoutCaps() override {
    auto agent = std::make_unique<MemoryClusterKeys>(cluster_);
    agent->SetCaps(MemoryClusterKeys::Caps::kNone);
    return agent;
  }
  std::unique_ptr<secrets::ClusterKeys> CutOff() override {
    auto agent = std::make_unique<MemoryClusterKeys>(cluster_);
    agent->faults().SetHealth(
        Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "no Ceph in this test"));
    return agent;
  }

  void AddEntity(const std::string& entity) override { cluster_->SetKey(entity, NewKey()); }
  void RemoveEntity(const std::string& entity) override { cluster_->RemoveEntity(entity); }

 private:
  const std::shared_ptr<MemoryCluster> cluster_ =
      std::make_shared<MemoryCluster>("48cf4e27-6493-49d7-9e5f-3dead2d87b6e");
  MemoryClusterKeys keys_{cluster_};
  MemoryClusterKeys other_node_{cluster_};
};

INSTANTIATE_TEST_SUITE_P(Memory, ClusterKeysContract,
                         ::testing::Values([] { return std::make_unique<MemoryUnderTest>(); }));

}  // namespace
}  // namespace hvagent::block
