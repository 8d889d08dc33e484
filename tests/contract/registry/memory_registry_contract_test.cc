#include "agent/registry/memory_registry.h"
#include "tests/contract/registry/registry_contract.h"

namespace hvagent::registry {
namespace {

class MemoryUnderTest final : public RegistryUnderTest {
 public:
  Registry& registry() override { return registry_; }
  Registry& other_node() override { return other_node_; }
  std::string Bytes(const Uuid& vm) override { return records_->Read(vm)->bytes; }
  void SetBytes(const Uuid& vm, const std::string& bytes) override {
    RemoveBytes(vm);
    EXPECT_TRUE(records_->Write(vm, bytes, std::nullopt).has_value());
  }
  void RemoveBytes(const Uuid& vm) override {
    const auto object = records_->Read(vm);
    if (object.has_value()) records_->Remove(vm, object->version);
  }

 private:
  const std::shared_ptr<MemoryRecords> records_ = std::make_shared<MemoryRecords>();
  MemoryRegistry registry_{records_};
  MemoryRegistry other_node_{records_};
};

INSTANTIATE_TEST_SUITE_P(Memory, RegistryContract,
                         ::testing::Values([] { return std::make_unique<MemoryUnderTest>(); }));

}  // namespace
}  // namespace hvagent::registry
