#include "agent/hypervisor/memory_secret_store.h"
#include "tests/contract/hypervisor/secret_store_contract.h"

namespace hvagent::hypervisor {
namespace {

class MemoryUnderTest final : public SecretStoreUnderTest {
 public:
  secrets::SecretStore& store() override { return store_; }

 private:
  MemoryFaults faults_;
  MemorySecretStore store_{&faults_};
};

INSTANTIATE_TEST_SUITE_P(Memory, SecretStoreContract,
                         ::testing::Values([] { return std::make_unique<MemoryUnderTest>(); }));

}  // namespace
}  // namespace hvagent::hypervisor
