#include "domain_xml/secret_use.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "domain_xml/domain_xml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/domain_xml/guide_spec.h"

namespace hvagent::domain_xml {
namespace {

using ::hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr char kOldUuid[] = "4810c760-dc42-4e5f-9d41-7346db7d7da2";
constexpr char kNewUuid[] = "ca0eafa4-32e9-4b34-9b7b-1d0e8c5e9d6a";
const Uuid kOld = *Uuid::Parse(kOldUuid);
const Uuid kNew = *Uuid::Parse(kNewUuid);
const Uuid kOther = *Uuid::Parse("00000000-0000-4000-8000-000000000001");
constexpr char kUsage[] = "client.cinder secret";

// <domain> with these children of <devices>, amid what must not change: other quotes, entities,
// comments, CDATA, white space, somebody's namespace, a password.
std::string DomainWith(absl::string_view devices) {
  return absl::StrCat(
      "<?xml version='1.0'?>\n<!-- by hand -->\r\n"
      "<domain type='kvm' xmlns:qemu=\"http://libvirt.org/schemas/domain/qemu/1.0\">\n"
      "\t<name>a &amp; b &#10; &lt;</name><description><![CDATA[<secret uuid='",
      kOldUuid, "'/>]]>  </description>\n  <metadata><x:auth xmlns:x='urn:x'><secret type='ceph' ",
      "uuid='", kOldUuid, "'/></x:auth></metadata>\n<devices>", devices,
      "<graphics   type='vnc' passwd='say \"friend\"'/></devices>",
      "<qemu:commandline><qemu:arg value=\"'\"/></qemu:commandline>\n</domain>\n\n");
}

std::string ByUuid(absl::string_view uuid) {
  return absl::StrCat("<auth username='cinder'>\n<secret type='ceph' uuid='", uuid, "'/></auth>");
}

std::string UnderDisk(absl::string_view auth) {
  return absl::StrCat("<disk type='network' device='disk'>", auth,
                      "<source protocol='rbd' name='vms/a'/></disk>");
}

std::string UnderSource(absl::string_view auth) {
  return absl::StrCat("<disk type='network' device='disk'><source protocol='rbd' name='vms/a'>",
                      auth, "</source></disk>");
}

TEST(SecretUsesTest, FindsTheGuidesSecretOnce) {
  const auto uses = SecretUses(*Render(GuideSpec()));
  ASSERT_OK(uses);
  EXPECT_THAT(*uses, ElementsAre(SecretUse{.username = "cinder", .uuid = kOld}));
}

TEST(SecretUsesTest, ReadsAuthUnderDiskAndUnderSource) {
  const auto uses = SecretUses(DomainWith(absl::StrCat(
      UnderSource(ByUuid(kNewUuid)), UnderDisk(ByUuid(kOldUuid)), UnderDisk(ByUuid(kNewUuid)))));
  ASSERT_OK(uses);
  EXPECT_THAT(*uses, ElementsAre(SecretUse{.username = "cinder", .uuid = kNew},
                                 SecretUse{.username = "cinder", .uuid = kOld}));
}

TEST(SecretUsesTest, ReadsAuthOfAMirrorAndOfABackingStore) {
  const auto uses = SecretUses(
      DomainWith(absl::StrCat("<disk type='file'><mirror><source>", ByUuid(kNewUuid),
                              "</source></mirror><backingStore><backingStore><source>",
                              ByUuid(kOldUuid), "</source></backingStore></backingStore></disk>")));
  ASSERT_OK(uses);
  EXPECT_THAT(*uses, ElementsAre(SecretUse{.username = "cinder", .uuid = kNew},
                                 SecretUse{.username = "cinder", .uuid = kOld}));
}

TEST(SecretUsesTest, ReadsASecretNamedByUsage) {
  const auto uses = SecretUses(DomainWith(UnderDisk(
      "<auth username='cinder'><secret type='ceph' usage='client.cinder &quot;1&quot;'/></auth>")));
  ASSERT_OK(uses);
  EXPECT_THAT(*uses, ElementsAre(SecretUse{.username = "cinder", .usage = "client.cinder \"1\""}));
}

TEST(SecretUsesTest, TellsUsersOfOneSecretApart) {
  const std::string second = absl::StrReplaceAll(ByUuid(kOldUuid), {{"'cinder'", "'cinder.g2'"}});
  const auto uses = SecretUses(DomainWith(UnderDisk(ByUuid(kOldUuid)) + UnderDisk(second)));
  ASSERT_OK(uses);
  EXPECT_THAT(*uses, ElementsAre(SecretUse{.username = "cinder", .uuid = kOld},
                                 SecretUse{.username = "cinder.g2", .uuid = kOld}));
}

TEST(SecretUsesTest, FindsNoneWithoutCephAuth) {
  for (const char* devices :
       {"", "<disk type='file'/>",
        "<disk><auth username='a'><secret type='iscsi' usage='b'/></auth></disk>",
        "<disk><encryption><secret type='passphrase' uuid='x'/></encryption></disk>",
        "<hostdev><source><auth><secret type='ceph' uuid='x'/></auth></source></hostdev>"}) {
    const auto uses = SecretUses(DomainWith(devices));
    ASSERT_OK(uses);
    EXPECT_THAT(*uses, IsEmpty()) << devices;
  }
}

TEST(SecretUsesTest, RefusesWhatNamesNoSecret) {
  const auto refused = Fails(absl::StatusCode::kInvalidArgument, "INVALID_DOMAIN_XML");
  EXPECT_THAT(SecretUses(DomainWith(UnderDisk(ByUuid("no-uuid")))), refused);
  EXPECT_THAT(SecretUses(DomainWith(UnderDisk("<auth><secret type='ceph'/></auth>"))), refused);
}

TEST(ReplaceSecretTest, ChangesTheNameAndNoOtherByte) {
  const std::string devices =
      absl::StrCat(UnderDisk(ByUuid(kOldUuid)), UnderSource(ByUuid(kOther.ToString())),
                   UnderSource(ByUuid(kOldUuid)));
  const auto replaced = ReplaceSecret(DomainWith(devices), kOld, "", kNew);
  ASSERT_OK(replaced);
  EXPECT_THAT(*replaced,
              Optional(DomainWith(absl::StrReplaceAll(devices, {{kOldUuid, kNewUuid}}))));
}

TEST(ReplaceSecretTest, AUseByUsageBecomesOneByUuid) {
  const auto with = [](absl::string_view name) {
    return DomainWith(UnderDisk(absl::StrCat("<auth username='cinder'><secret ", name,
                                             "  type=\"ceph\"></secret></auth>")));
  };
  for (const char* name : {"usage='client.cinder secret'", "usage\n=\t\"client.cinder secret\"",
                           "usage='client.cinder&#x20;secret'"}) {
    const auto replaced = ReplaceSecret(with(name), kOld, kUsage, kNew);
    ASSERT_OK(replaced);
    EXPECT_THAT(*replaced, Optional(with(absl::StrCat("uuid='", kNewUuid, "'")))) << name;
  }
}

TEST(ReplaceSecretTest, TakesAUuidInEitherCase) {
  const std::string devices = UnderDisk(ByUuid("4810C760-DC42-4E5F-9D41-7346DB7D7DA2"));
  const auto replaced = ReplaceSecret(DomainWith(devices), kOld, "", kNew);
  ASSERT_OK(replaced);
  EXPECT_THAT(*replaced, Optional(DomainWith(UnderDisk(ByUuid(kNewUuid)))));
}

TEST(ReplaceSecretTest, LeavesWhatDoesNotUseTheSecret) {
  const std::string by_usage = UnderDisk(
      "<auth username='cinder'><secret type='ceph' usage='client.cinder secret'/></auth>");
  for (const std::string& devices :
       {std::string(), UnderDisk(ByUuid(kOther.ToString())), UnderDisk(ByUuid("no-uuid")),
        std::string("<disk><auth username='a'><secret type='ceph'/></auth></disk>")}) {
    const auto replaced = ReplaceSecret(DomainWith(devices), kOld, kUsage, kNew);
    ASSERT_OK(replaced);
    EXPECT_EQ(*replaced, std::nullopt) << devices;
  }
  // An empty usage is no secret's.
  EXPECT_EQ(*ReplaceSecret(DomainWith(by_usage), kOld, "", kNew), std::nullopt);
  EXPECT_EQ(*ReplaceSecret(DomainWith(by_usage), kOld, "another", kNew), std::nullopt);
}

TEST(ReplaceSecretTest, KeepsOurMarkAndEverythingElseOfASpec) {
  const std::string xml = *Render(GuideSpec());
  const auto replaced = ReplaceSecret(xml, kOld, "", kNew);
  ASSERT_OK(replaced);
  ASSERT_TRUE(replaced->has_value());
  DomainSpec expected = GuideSpec();
  for (RbdDisk& disk : expected.disks) disk.auth->secret_uuid = kNew;
  const auto parsed = Parse(**replaced);
  ASSERT_OK(parsed);
  EXPECT_TRUE(*parsed == expected) << **replaced;
}

TEST(SecretUseTest, RefusesWhatIsNoDomainXml) {
  const auto refused = Fails(absl::StatusCode::kInvalidArgument, "INVALID_DOMAIN_XML");
  for (const std::string& xml :
       {std::string(), std::string("not XML"), std::string("<domain"), std::string("<network/>"),
        std::string("<domain><devices></domain>"), std::string(1 << 20, '<'),
        std::string("<domain>\0</domain>", 18)}) {
    EXPECT_THAT(SecretUses(xml), refused) << xml.substr(0, 40);
    EXPECT_THAT(ReplaceSecret(xml, kOld, kUsage, kNew), refused) << xml.substr(0, 40);
  }
}

TEST(SecretUseTest, ReadsXmlOfAnyDepth) {
  std::string opened;
  std::string closed;
  for (int i = 0; i < 100000; ++i) {
    opened += "<a>";
    closed += "</a>";
  }
  const std::string devices = UnderDisk(absl::StrCat(opened, ByUuid(kOldUuid), closed));
  const auto replaced = ReplaceSecret(DomainWith(devices), kOld, "", kNew);
  ASSERT_OK(replaced);
  ASSERT_TRUE(replaced->has_value());
  EXPECT_THAT(*SecretUses(**replaced), ElementsAre(SecretUse{.username = "cinder", .uuid = kNew}));
}

TEST(SecretUseTest, ExpandsNoEntities) {
  const std::string xml = absl::StrCat(
      "<!DOCTYPE domain [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><domain><name>&b;</name>",
      "<devices>", UnderDisk(ByUuid(kOldUuid)), "</devices></domain>");
  const auto replaced = ReplaceSecret(xml, kOld, "", kNew);
  ASSERT_OK(replaced);
  EXPECT_THAT(*replaced, Optional(absl::StrReplaceAll(xml, {{kOldUuid, kNewUuid}})));
}

}  // namespace
}  // namespace hvagent::domain_xml
