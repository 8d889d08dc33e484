// What backups must come to on every block store: random histories of a disk, each of whose restore
// points equals a full copy of it, byte for byte.
#ifndef HVAGENT_TESTS_CONTRACT_BACKUP_BACKUP_CONTRACT_H_
#define HVAGENT_TESTS_CONTRACT_BACKUP_BACKUP_CONTRACT_H_

#include <functional>
#include <memory>

#include "agent/block/block_store.h"
#include "agent/block/object_store.h"
#include "gtest/gtest.h"

namespace hvagent::backup {

// Connected stores, with the pools volumes, images and backups.
class BackupStores {
 public:
  virtual ~BackupStores() = default;
  virtual block::BlockStore& block() = 0;
  virtual block::ObjectStore& objects() = 0;
};

struct BackupCase {
  std::function<std::unique_ptr<BackupStores>()> make;
  int seed = 0;
  int steps = 0;
};

class BackupContract : public ::testing::TestWithParam<BackupCase> {};

}  // namespace hvagent::backup

#endif  // HVAGENT_TESTS_CONTRACT_BACKUP_BACKUP_CONTRACT_H_
