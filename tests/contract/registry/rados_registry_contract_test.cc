// The contract on a real cluster. Needs, in the environment,
//   HVAGENT_TEST_CEPH_CONF     a ceph.conf that names the monitors
//   HVAGENT_TEST_CEPH_KEYRING  the keyring of client.hvagent
// and the pool hvagent. Without them it fails: a test that was not run has proved nothing.
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "agent/block/rados_object_store.h"
#include "agent/registry/rados_registry.h"
#include "tests/contract/registry/registry_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::registry {
namespace {

using hvagent::testing::Fails;

std::string Env(const char* name) {
  const char* const value = std::getenv(name);
  EXPECT_NE(value, nullptr) << name << " is not set: this test needs a real cluster";
  return value == nullptr ? "" : value;
}

// A node's connection.
struct Node {
  explicit Node(const std::string& pool = "hvagent")
      : connection({.config_file = Env("HVAGENT_TEST_CEPH_CONF"),
                    .entity = "client.hvagent",
                    .keyring_file = Env("HVAGENT_TEST_CEPH_KEYRING")}),
        registry(connection, pool) {
    EXPECT_OK(connection.WaitUntilHealthy(absl::Seconds(20)));
  }

  block::RbdConnection connection;
  RadosRegistry registry;
};

class RadosUnderTest final : public RegistryUnderTest {
 public:
  Registry& registry() override { return here_.registry; }
  Registry& other_node() override { return there_.registry; }
  std::string Bytes(const Uuid& vm) override {
    const auto bytes = objects_.Read(Object(vm));
    EXPECT_OK(bytes);
    return bytes.value_or("");
  }
  void SetBytes(const Uuid& vm, const std::string& bytes) override {
    EXPECT_OK(objects_.Write(Object(vm), bytes));
  }
  void RemoveBytes(const Uuid& vm) override { EXPECT_OK(objects_.Remove(Object(vm))); }

 private:
  static block::ObjectName Object(const Uuid& vm) {
    return {"hvagent", absl::StrCat("vm.", vm.ToString())};
  }

  Node here_, there_;
  block::RadosObjectStore objects_{here_.connection};
};

INSTANTIATE_TEST_SUITE_P(Rados, RegistryContract,
                         ::testing::Values([] { return std::make_unique<RadosUnderTest>(); }));

TEST(RadosRegistryTest, WithoutTheAgentsPoolItSaysSo) {
  Node node("no-such-pool");
  const auto no_pool = Fails(absl::StatusCode::kNotFound, "POOL_NOT_FOUND");
  EXPECT_THAT(node.registry.Get(Uuid::Random()), no_pool);
  EXPECT_THAT(node.registry.ListNode("node", Uuid(), 10), no_pool);
}

}  // namespace
}  // namespace hvagent::registry
