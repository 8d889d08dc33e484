#include "agent/hypervisor/libvirt_capabilities.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace hvagent::hypervisor {
namespace {

std::string Capabilities(absl::string_view guest_arch, absl::string_view domain_type) {
  return absl::StrCat(
      "<capabilities><host><cpu><arch>x86_64</arch></cpu></host>"
      "<guest><os_type>hvm</os_type><arch name='i686'><domain type='qemu'/></arch></guest>"
      "<guest><os_type>hvm</os_type><arch name='",
      guest_arch, "'><domain type='qemu'/><domain type='", domain_type,
      "'/></arch></guest></capabilities>");
}

TEST(LibvirtCapabilitiesTest, KvmIsOfferedForTheHostsArchitectureOnly) {
  EXPECT_TRUE(OffersKvm(Capabilities("x86_64", "kvm")));
  EXPECT_FALSE(OffersKvm(Capabilities("x86_64", "test")));
  EXPECT_FALSE(OffersKvm(Capabilities("aarch64", "kvm")));
  EXPECT_FALSE(OffersKvm("not XML"));
}

TEST(LibvirtCapabilitiesTest, ProcessorMustVirtualise) {
  EXPECT_TRUE(HasVirtualisation("<cpu><model>x</model><feature name='vmx'/></cpu>"));
  EXPECT_TRUE(HasVirtualisation("<cpu><feature name='pni'/><feature name='svm'/></cpu>"));
  EXPECT_FALSE(HasVirtualisation("<cpu><model>kvm64</model><feature name='pni'/></cpu>"));
  EXPECT_FALSE(HasVirtualisation("not XML"));
}

TEST(LibvirtCapabilitiesTest, VersionsAreReadAsPeopleWriteThem) {
  EXPECT_EQ(VersionText(9000000), "9.0.0");
  EXPECT_EQ(VersionText(7002022), "7.2.22");
}

}  // namespace
}  // namespace hvagent::hypervisor
