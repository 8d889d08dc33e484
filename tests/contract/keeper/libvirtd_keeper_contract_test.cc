// The contract on a real libvirtd with QEMU: HVAGENT_TEST_LIBVIRT_URI says which.
#include <cstdlib>

#include "agent/hypervisor/libvirt_connection.h"
#include "agent/hypervisor/libvirt_hypervisor.h"
#include "agent/hypervisor/libvirt_secret_store.h"
#include "tests/contract/keeper/keeper_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::keeper {
namespace {

std::string Uri() {
  const char* uri = std::getenv("HVAGENT_TEST_LIBVIRT_URI");
  EXPECT_NE(uri, nullptr) << "set HVAGENT_TEST_LIBVIRT_URI, as qemu:///system";
  return uri != nullptr ? uri : "unset:///";
}

class LibvirtdUnderTest final : public LibvirtUnderTest {
 public:
  LibvirtdUnderTest() {
    EXPECT_THAT(connection_.WaitUntilConnected(absl::Seconds(30)), hvagent::testing::IsOk());
  }
  secrets::SecretStore& store() override { return store_; }
  hypervisor::Hypervisor& hypervisor() override { return hypervisor_; }

 private:
  hypervisor::LibvirtConnection connection_{{.uri = Uri()}};
  hypervisor::LibvirtSecretStore store_{&connection_};
  hypervisor::LibvirtHypervisor hypervisor_{&connection_};
};

INSTANTIATE_TEST_SUITE_P(Libvirtd, KeeperContract,
                         ::testing::Values([] { return std::make_unique<LibvirtdUnderTest>(); }));

}  // namespace
}  // namespace hvagent::keeper
