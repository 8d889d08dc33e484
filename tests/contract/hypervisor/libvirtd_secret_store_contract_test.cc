// The contract on a real libvirtd: HVAGENT_TEST_LIBVIRT_URI says which.
#include <cstdlib>

#include "tests/contract/hypervisor/libvirt_secrets_under_test.h"

namespace hvagent::hypervisor {
namespace {

std::unique_ptr<SecretStoreUnderTest> MakeDaemon() {
  const char* uri = std::getenv("HVAGENT_TEST_LIBVIRT_URI");
  EXPECT_NE(uri, nullptr) << "set HVAGENT_TEST_LIBVIRT_URI, as qemu:///system";
  return std::make_unique<LibvirtSecretsUnderTest>(
      std::make_shared<LibvirtConnection>(
          LibvirtOptions{.uri = uri != nullptr ? uri : "unset:///"}),
      /*is_daemon=*/true);
}

INSTANTIATE_TEST_SUITE_P(Libvirtd, SecretStoreContract, ::testing::Values(MakeDaemon));

}  // namespace
}  // namespace hvagent::hypervisor
