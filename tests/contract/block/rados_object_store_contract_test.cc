// The contract on a real cluster. Needs, in the environment,
//   HVAGENT_TEST_CEPH_CONF     a ceph.conf that names the monitors
//   HVAGENT_TEST_CEPH_KEYRING  the keyring of client.hvagent
// and the pool backups. Without them it fails: a test that was not run has proved nothing.
#include <cstdlib>

#include "agent/block/rados_object_store.h"
#include "tests/contract/block/object_store_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {
namespace {

class RadosUnderTest : public ObjectStoreUnderTest {
 public:
  RadosUnderTest() { EXPECT_OK(connection_.WaitUntilHealthy(absl::Seconds(20))); }
  ObjectStore& store() override { return store_; }

  static std::string Env(const char* name) {
    const char* const value = std::getenv(name);
    EXPECT_NE(value, nullptr) << name << " is not set: this test needs a real cluster";
    return value == nullptr ? "" : value;
  }

 private:
  RbdConnection connection_{{.config_file = Env("HVAGENT_TEST_CEPH_CONF"),
                             .entity = "client.hvagent",
                             .keyring_file = Env("HVAGENT_TEST_CEPH_KEYRING")}};
  RadosObjectStore store_{connection_};
};

INSTANTIATE_TEST_SUITE_P(Rados, ObjectStoreContract,
                         ::testing::Values([] { return std::make_unique<RadosUnderTest>(); }));

}  // namespace
}  // namespace hvagent::block
