// LibvirtHypervisor for the contract, with the domains that a driver can run.
#ifndef HVAGENT_TESTS_CONTRACT_HYPERVISOR_LIBVIRT_UNDER_TEST_H_
#define HVAGENT_TESTS_CONTRACT_HYPERVISOR_LIBVIRT_UNDER_TEST_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_connection.h"
#include "agent/hypervisor/libvirt_error.h"
#include "agent/hypervisor/libvirt_handles.h"
#include "agent/hypervisor/libvirt_hypervisor.h"
#include "tests/contract/hypervisor/hypervisor_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {

class LibvirtUnderTest final : public HypervisorUnderTest {
 public:
  // `domain_type` is libvirt's, "test" or "qemu".
  LibvirtUnderTest(const std::string& uri, std::string domain_type, bool guests_obey)
      : connection_({.uri = uri}), domain_type_(std::move(domain_type)), guests_obey_(guests_obey) {
    EXPECT_THAT(connection_.WaitUntilConnected(absl::Seconds(30)), hvagent::testing::IsOk());
  }

  Hypervisor& hypervisor() override { return hypervisor_; }

  // A guest without disks, which waits in its firmware.
  std::string DomainXml(const Uuid& uuid, const std::string& name, uint64_t memory_mib) override {
    return absl::StrCat("<domain type='", domain_type_, "'><name>", name, "</name><uuid>",
                        uuid.ToString(), "</uuid><memory unit='MiB'>", memory_mib,
                        "</memory><os><type>hvm</type></os>",
                        "<devices><serial type='pty'/></devices></domain>");
  }

  std::string domain_type() const override { return domain_type_; }

  void RunTransient(const DomainInfo& /*info*/, const std::string& xml) override {
    EXPECT_THAT(
        connection_.Call("cannot run the domain",
                         [xml](virConnectPtr connection) -> absl::Status {
                           const VirDomain domain(virDomainCreateXML(connection, xml.c_str(), 0));
                           return domain != nullptr ? absl::OkStatus()
                                                    : LibvirtError("cannot run the domain");
                         }),
        hvagent::testing::IsOk());
  }

  bool guests_start_paused() const override { return domain_type_ != "test"; }
  bool guests_obey_power_button() const override { return guests_obey_; }
  // libvirt's test driver plays one; our guests under QEMU have none.
  bool guests_have_agent() const override { return domain_type_ == "test"; }
  bool guests_have_console() const override { return domain_type_ != "test"; }

 private:
  LibvirtConnection connection_;
  LibvirtHypervisor hypervisor_{&connection_};
  const std::string domain_type_;
  const bool guests_obey_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_TESTS_CONTRACT_HYPERVISOR_LIBVIRT_UNDER_TEST_H_
