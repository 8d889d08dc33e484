#include "agent/hypervisor/memory_hypervisor.h"
#include "domain_xml/domain_xml.h"
#include "tests/contract/hypervisor/hypervisor_contract.h"

namespace hvagent::hypervisor {
namespace {

class MemoryUnderTest final : public HypervisorUnderTest {
 public:
  Hypervisor& hypervisor() override { return hypervisor_; }

  std::string DomainXml(const Uuid& uuid, const std::string& name, uint64_t memory_mib) override {
    const auto xml = domain_xml::Render(
        {.uuid = uuid,
         .name = name,
         .memory_mib = memory_mib,
         .disks =
             {{.pool = "vms", .image = name, .monitors = {{.name = "192.0.2.1"}}, .target = "vda"}},
         .mark = {.agent_node = "node", .generation = 1}});
    EXPECT_TRUE(xml.ok()) << xml.status();
    return xml.value_or("");
  }

  std::string domain_type() const override { return "qemu"; }

  void RunTransient(const DomainInfo& info, const std::string& xml) override {
    hypervisor_.AddForeignDomain(info, xml);
  }

  bool guests_start_paused() const override { return true; }
  bool guests_obey_power_button() const override { return true; }
  bool guests_have_agent() const override { return true; }
  bool guests_have_console() const override { return true; }

 private:
  MemoryFaults faults_;
  MemorySecretStore secrets_{&faults_};
  MemoryHypervisor hypervisor_{{.hostname = "node",
                                .cpus = 4,
                                .memory_mib = 8192,
                                .libvirt_version = "9.0.0",
                                .hypervisor_version = "7.2.0"},
                               &faults_,
                               &secrets_};
};

INSTANTIATE_TEST_SUITE_P(Memory, HypervisorContract,
                         ::testing::Values([] { return std::make_unique<MemoryUnderTest>(); }));

}  // namespace
}  // namespace hvagent::hypervisor
