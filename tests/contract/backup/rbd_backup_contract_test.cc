// The contract on a real cluster. Needs, in the environment,
//   HVAGENT_TEST_CEPH_CONF     a ceph.conf that names the monitors
//   HVAGENT_TEST_CEPH_KEYRING  the keyring of client.hvagent
// and the pools volumes, images and backups. Without them it fails: a test that was not run has
// proved nothing.
#include <cstdlib>

#include "agent/block/rados_object_store.h"
#include "agent/block/rbd_block_store.h"
#include "tests/contract/backup/backup_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::backup {
namespace {

class RealStores : public BackupStores {
 public:
  RealStores() { EXPECT_OK(block_.WaitUntilHealthy(absl::Seconds(20))); }
  block::BlockStore& block() override { return block_; }
  block::ObjectStore& objects() override { return objects_; }

 private:
  static std::string Env(const char* name) {
    const char* const value = std::getenv(name);
    EXPECT_NE(value, nullptr) << name << " is not set: this test needs a real cluster";
    return value == nullptr ? "" : value;
  }

  block::RbdBlockStore block_{{.config_file = Env("HVAGENT_TEST_CEPH_CONF"),
                               .entity = "client.hvagent",
                               .keyring_file = Env("HVAGENT_TEST_CEPH_KEYRING")}};
  block::RadosObjectStore objects_{block_.connection()};
};

BackupCase Case(int seed) {
  return {[] { return std::make_unique<RealStores>(); }, seed, 16};
}

INSTANTIATE_TEST_SUITE_P(Rbd, BackupContract, ::testing::Values(Case(1), Case(2), Case(3)));

}  // namespace
}  // namespace hvagent::backup
