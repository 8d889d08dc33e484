#include "agent/block/memory_block_store.h"
#include "tests/contract/block/block_store_contract.h"

namespace hvagent::block {
namespace {

class MemoryUnderTest : public BlockStoreUnderTest {
 public:
  MemoryUnderTest() {
    store_.CreatePool("images");
    store_.CreatePool("vms");
  }
  BlockStore& store() override { return store_; }
  absl::Status Unprotect(const SnapshotName& snapshot) override {
    return store_.SetProtected(snapshot, false);
  }
  absl::Status CloneInFormat2(const SnapshotName& parent, const ImageName& child) override {
    return store_.CloneImage(parent, child);
  }

 private:
  MemoryBlockStore store_{"48cf4e27-6493-49d7-9e5f-3dead2d87b6e",
                          {{"a", {{"10.0.0.1", 3300, MonitorAddress::Protocol::kV2}}}}};
};

INSTANTIATE_TEST_SUITE_P(Memory, BlockStoreContract,
                         ::testing::Values([] { return std::make_unique<MemoryUnderTest>(); }));

}  // namespace
}  // namespace hvagent::block
