// What libvirt itself says of our XML: its schema and its parser, by its test driver.
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "domain_xml/domain_xml.h"
#include "gtest/gtest.h"
#include "tests/unit/domain_xml/guide_spec.h"
#include "tests/unit/domain_xml/random_spec.h"

namespace hvagent::domain_xml {
namespace {

struct ConnectDeleter {
  void operator()(virConnectPtr connection) const { virConnectClose(connection); }
};
struct DomainDeleter {
  void operator()(virDomainPtr domain) const { virDomainFree(domain); }
};

class LibvirtTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // A node file of its own makes the driver's state private to this connection.
    const std::string node = absl::StrCat(::testing::TempDir(), "/domain_xml_node.xml");
    std::ofstream(node) << "<node/>";
    virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
    connection_.reset(virConnectOpen(absl::StrCat("test://", node).c_str()));
    ASSERT_NE(connection_, nullptr) << virGetLastErrorMessage();
  }

  // What libvirt has after it defined `spec`; empty, with a failed expectation, when it refused.
  std::string DefineAndDump(const DomainSpec& spec) {
    auto xml = Render(spec);
    EXPECT_TRUE(xml.ok()) << xml.status();
    if (!xml.ok()) return "";
    std::unique_ptr<virDomain, DomainDeleter> domain(
        virDomainDefineXMLFlags(connection_.get(), xml->c_str(), VIR_DOMAIN_DEFINE_VALIDATE));
    EXPECT_NE(domain, nullptr) << virGetLastErrorMessage() << "\n" << *xml;
    if (domain == nullptr) return "";
    char* dump = virDomainGetXMLDesc(domain.get(), 0);
    EXPECT_NE(dump, nullptr) << virGetLastErrorMessage();
    std::string text = dump == nullptr ? "" : dump;
    free(dump);
    EXPECT_EQ(virDomainUndefine(domain.get()), 0) << virGetLastErrorMessage();
    return text;
  }

  std::unique_ptr<virConnect, ConnectDeleter> connection_;
};

TEST_F(LibvirtTest, TakesTheGuidesDomainAndGivesTheSameSpecBack) {
  for (const DomainSpec& spec : {GuideSpec(), MinimalSpec(), MachineSpec(), DisksSpec(), NicsSpec(),
                                 DevicesSpec(), PlacementSpec()}) {
    const std::string dump = DefineAndDump(spec);
    auto parsed = Parse(dump);
    ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n" << dump;
    EXPECT_TRUE(*parsed == spec) << dump;
  }
}

TEST_F(LibvirtTest, TakesRandomSpecsAndGivesThemBack) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    const DomainSpec spec = RandomSpec(random, Texts::kLibvirt);
    const std::string dump = DefineAndDump(spec);
    auto parsed = Parse(dump);
    ASSERT_TRUE(parsed.ok()) << "seed " << seed << ": " << parsed.status() << "\n" << dump;
    ASSERT_TRUE(*parsed == spec) << "seed " << seed << "\n" << dump;
  }
}

}  // namespace
}  // namespace hvagent::domain_xml
