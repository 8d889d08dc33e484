// The contract on a real cluster. Needs, in the environment,
//   HVAGENT_TEST_CEPH_CONF     a ceph.conf that names the monitors
//   HVAGENT_TEST_CEPH_KEYRING  the keyring of client.hvagent
// and the pools images and vms. Without them it fails: a test that was not run has proved nothing.
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "agent/block/rbd_block_store.h"
#include "tests/contract/block/block_store_contract.h"

namespace hvagent::block {
namespace {

class RealCluster : public ::testing::Environment {
 public:
  void SetUp() override {
    for (const char* name : {"HVAGENT_TEST_CEPH_CONF", "HVAGENT_TEST_CEPH_KEYRING"}) {
      ASSERT_NE(std::getenv(name), nullptr)
          << name << " is not set: this test needs a real cluster (see its source)";
    }
  }
};

const auto* const kRealCluster = ::testing::AddGlobalTestEnvironment(new RealCluster);

class RbdUnderTest : public BlockStoreUnderTest {
 public:
  RbdUnderTest() {
    const absl::Status connected = store_.WaitUntilHealthy(absl::Seconds(20));
    EXPECT_TRUE(connected.ok()) << connected;
  }
  BlockStore& store() override { return store_; }

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
  RbdBlockStore store_{
      {.config_file = conf_, .entity = "client.hvagent", .keyring_file = keyring_}};
};

INSTANTIATE_TEST_SUITE_P(Rbd, BlockStoreContract,
                         ::testing::Values([] { return std::make_unique<RbdUnderTest>(); }));

}  // namespace
}  // namespace hvagent::block
