// The contract on libvirt's test driver, which runs in this process: real libvirt code, domains
// that only pretend to run.
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/contract/hypervisor/libvirt_under_test.h"

namespace hvagent::hypervisor {
namespace {

// A node of our own, private to each connection and empty.
std::string TestNodeUri() {
  const std::string path = absl::StrCat(::testing::TempDir(), "hvagent-node.xml");
  std::ofstream(path) << "<node/>";
  return absl::StrCat("test://", path);
}

INSTANTIATE_TEST_SUITE_P(LibvirtTestDriver, HypervisorContract, ::testing::Values([] {
                           return std::make_unique<LibvirtUnderTest>(TestNodeUri(), "test", true);
                         }));

}  // namespace
}  // namespace hvagent::hypervisor
