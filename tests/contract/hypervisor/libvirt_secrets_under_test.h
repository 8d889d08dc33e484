// LibvirtSecretStore for the contract.
#ifndef HVAGENT_TESTS_CONTRACT_HYPERVISOR_LIBVIRT_SECRETS_UNDER_TEST_H_
#define HVAGENT_TESTS_CONTRACT_HYPERVISOR_LIBVIRT_SECRETS_UNDER_TEST_H_

#include <memory>
#include <utility>

#include "agent/hypervisor/libvirt_connection.h"
#include "agent/hypervisor/libvirt_secret_store.h"
#include "tests/contract/hypervisor/secret_store_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {

class LibvirtSecretsUnderTest final : public SecretStoreUnderTest {
 public:
  LibvirtSecretsUnderTest(std::shared_ptr<LibvirtConnection> connection, bool is_daemon)
      : connection_(std::move(connection)), is_daemon_(is_daemon) {
    EXPECT_THAT(connection_->WaitUntilConnected(absl::Seconds(30)), hvagent::testing::IsOk());
  }

  secrets::SecretStore& store() override { return store_; }
  bool can_undefine() const override { return is_daemon_; }
  bool can_be_ephemeral() const override { return is_daemon_; }
  bool is_unheard() const override { return is_daemon_; }

 private:
  const std::shared_ptr<LibvirtConnection> connection_;
  LibvirtSecretStore store_{connection_.get()};
  const bool is_daemon_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_TESTS_CONTRACT_HYPERVISOR_LIBVIRT_SECRETS_UNDER_TEST_H_
