#include "agent/hypervisor/memory_faults.h"
#include "agent/hypervisor/memory_hypervisor.h"
#include "agent/hypervisor/memory_secret_store.h"
#include "tests/contract/keeper/keeper_contract.h"

namespace hvagent::keeper {
namespace {

class MemoryUnderTest final : public LibvirtUnderTest {
 public:
  secrets::SecretStore& store() override { return store_; }
  hypervisor::Hypervisor& hypervisor() override { return hypervisor_; }

 private:
  hypervisor::MemoryFaults faults_;
  hypervisor::MemorySecretStore store_{&faults_};
  hypervisor::MemoryHypervisor hypervisor_{
      {.hostname = "compute-1", .cpus = 4, .memory_mib = 8192}, &faults_, &store_};
};

INSTANTIATE_TEST_SUITE_P(Memory, KeeperContract,
                         ::testing::Values([] { return std::make_unique<MemoryUnderTest>(); }));

}  // namespace
}  // namespace hvagent::keeper
