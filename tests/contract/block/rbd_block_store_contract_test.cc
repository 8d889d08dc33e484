// The contract on a real cluster. Needs, in the environment,
//   HVAGENT_TEST_CEPH_CONF     a ceph.conf that names the monitors
//   HVAGENT_TEST_CEPH_KEYRING  the keyring of client.hvagent
// and the pools images and vms. Without them it fails: a test that was not run has proved nothing.
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/block/rbd_block_store.h"
#include "tests/contract/block/block_store_contract.h"

namespace hvagent::block {
namespace {

// One connection for all tests, as the agent has one. A process that makes one after another has
// been seen to abort within librados 16.2 (a std::system_error, EINVAL; once in 1,500 connections).
class RealCluster : public ::testing::Environment {
 public:
  void SetUp() override {
    for (const char* name : {"HVAGENT_TEST_CEPH_CONF", "HVAGENT_TEST_CEPH_KEYRING"}) {
      ASSERT_NE(std::getenv(name), nullptr)
          << name << " is not set: this test needs a real cluster (see its source)";
    }
    store_ = std::make_unique<RbdBlockStore>(
        RbdOptions{.config_file = std::getenv("HVAGENT_TEST_CEPH_CONF"),
                   .entity = "client.hvagent",
                   .keyring_file = std::getenv("HVAGENT_TEST_CEPH_KEYRING")});
    const absl::Status connected = store_->WaitUntilHealthy(absl::Seconds(20));
    ASSERT_TRUE(connected.ok()) << connected;
  }
  void TearDown() override { store_.reset(); }

  BlockStore& store() { return *store_; }

 private:
  std::unique_ptr<RbdBlockStore> store_;
};

auto* const real_cluster = new RealCluster;
const auto* const registered = ::testing::AddGlobalTestEnvironment(real_cluster);

class RbdUnderTest : public BlockStoreUnderTest {
 public:
  BlockStore& store() override { return real_cluster->store(); }

  absl::Status Unprotect(const SnapshotName& snapshot) override {
    return Rbd(absl::StrCat("snap unprotect ", snapshot.ToString()));
  }
  absl::Status CloneInFormat2(const SnapshotName& parent, const ImageName& child) override {
    return Rbd(absl::StrCat("--rbd-default-clone-format 2 clone ", parent.ToString(), " ",
                            child.ToString()));
  }

 private:
  absl::Status Rbd(const std::string& arguments) const {
    const std::string command =
        absl::StrCat("rbd --conf ", conf_, " --id hvagent --keyring ", keyring_, " ", arguments);
    if (std::system(command.c_str()) == 0) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("failed: ", command));
  }

  const std::string conf_ = std::getenv("HVAGENT_TEST_CEPH_CONF");
  const std::string keyring_ = std::getenv("HVAGENT_TEST_CEPH_KEYRING");
};

INSTANTIATE_TEST_SUITE_P(Rbd, BlockStoreContract,
                         ::testing::Values([] { return std::make_unique<RbdUnderTest>(); }));

}  // namespace
}  // namespace hvagent::block
