// The contract on a real libvirtd with QEMU: HVAGENT_TEST_LIBVIRT_URI says which.
#include <cstdlib>

#include "tests/contract/hypervisor/libvirt_under_test.h"

namespace hvagent::hypervisor {
namespace {

std::unique_ptr<HypervisorUnderTest> MakeQemu() {
  const char* uri = std::getenv("HVAGENT_TEST_LIBVIRT_URI");
  EXPECT_NE(uri, nullptr) << "set HVAGENT_TEST_LIBVIRT_URI, as qemu:///system";
  // A guest that waits in its firmware does not see the button.
  return std::make_unique<LibvirtUnderTest>(uri != nullptr ? uri : "unset:///", "qemu", false);
}

INSTANTIATE_TEST_SUITE_P(Qemu, HypervisorContract, ::testing::Values(MakeQemu));

}  // namespace
}  // namespace hvagent::hypervisor
