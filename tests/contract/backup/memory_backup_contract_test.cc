#include <vector>

#include "agent/block/memory_block_store.h"
#include "agent/block/memory_object_store.h"
#include "tests/contract/backup/backup_contract.h"

namespace hvagent::backup {
namespace {

class MemoryStores : public BackupStores {
 public:
  MemoryStores() {
    for (const char* pool : {"volumes", "images", "backups"}) {
      block_.CreatePool(pool);
      objects_.CreatePool(pool);
    }
  }
  block::BlockStore& block() override { return block_; }
  block::ObjectStore& objects() override { return objects_; }

 private:
  block::MemoryBlockStore block_{"", {}};
  block::MemoryObjectStore objects_;
};

std::vector<BackupCase> Cases() {
  std::vector<BackupCase> cases;
  for (int seed = 1; seed <= 12; ++seed) {
    cases.push_back({[] { return std::make_unique<MemoryStores>(); }, seed, 40});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Memory, BackupContract, ::testing::ValuesIn(Cases()));

}  // namespace
}  // namespace hvagent::backup
