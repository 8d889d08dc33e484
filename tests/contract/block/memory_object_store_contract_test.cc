#include "agent/block/memory_object_store.h"
#include "tests/contract/block/object_store_contract.h"

namespace hvagent::block {
namespace {

class MemoryUnderTest : public ObjectStoreUnderTest {
 public:
  MemoryUnderTest() { store_.CreatePool("backups"); }
  ObjectStore& store() override { return store_; }

 private:
  MemoryObjectStore store_;
};

INSTANTIATE_TEST_SUITE_P(Memory, ObjectStoreContract,
                         ::testing::Values([] { return std::make_unique<MemoryUnderTest>(); }));

}  // namespace
}  // namespace hvagent::block
