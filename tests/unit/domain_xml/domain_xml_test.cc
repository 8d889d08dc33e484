#include "domain_xml/domain_xml.h"

#include <fstream>
#include <random>
#include <sstream>
#include <string>

#include "absl/strings/str_replace.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/domain_xml/guide_spec.h"
#include "tests/unit/domain_xml/random_spec.h"

namespace hvagent::domain_xml {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

std::string Golden(const std::string& name) {
  std::ifstream file(absl::StrCat(HVAGENT_TESTDATA, "/", name));
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

TEST(RenderTest, WritesTheGuidesDomain) {
  auto xml = Render(GuideSpec());
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_EQ(*xml, Golden("guide.xml"));
}

TEST(RenderTest, WritesWhatMayBeAbsentOnlyWhenGiven) {
  auto xml = Render(MinimalSpec());
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_EQ(*xml, Golden("minimal.xml"));
}

TEST(RenderTest, WritesMachineFirmwareAndCpu) {
  auto xml = Render(MachineSpec());
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_EQ(*xml, Golden("machine.xml"));
}

TEST(RenderTest, WritesAllThatCanBeSaidOfADisk) {
  auto xml = Render(DisksSpec());
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_EQ(*xml, Golden("disks.xml"));
}

TEST(RenderTest, WritesEveryKindOfNic) {
  auto xml = Render(NicsSpec());
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_EQ(*xml, Golden("nics.xml"));
}

TEST(RenderTest, WritesOtherDevices) {
  auto xml = Render(DevicesSpec());
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_EQ(*xml, Golden("devices.xml"));
}

TEST(RenderTest, WritesNumaNodesAndThePlaceOnTheNode) {
  auto xml = Render(PlacementSpec());
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_EQ(*xml, Golden("placement.xml"));
}

TEST(RenderTest, ScsiDisksHaveAControllerForEachFifteenLetters) {
  DomainSpec spec = GuideSpec();
  for (char letter = 'a'; letter <= 'p'; ++letter) {
    RbdDisk disk = spec.disks[1];
    disk.bus = letter < 'd' ? DiskBus::kSata : DiskBus::kScsi;
    disk.target = absl::StrCat("sd", std::string(1, letter));
    spec.disks.push_back(disk);
  }
  const std::string xml = *Render(spec);
  EXPECT_THAT(xml, HasSubstr("<controller type=\"scsi\" index=\"0\" model=\"virtio-scsi\" />"));
  EXPECT_THAT(xml, HasSubstr("<controller type=\"scsi\" index=\"1\" model=\"virtio-scsi\" />"));
  EXPECT_THAT(xml, Not(HasSubstr("<controller type=\"scsi\" index=\"2\"")));
}

TEST(RenderTest, SaysWhichValueCannotBeWritten) {
  const struct {
    const char* field;
    void (*spoil)(DomainSpec&);
  } kCases[] = {
      {"name", [](DomainSpec& s) { s.name = ""; }},
      {"name", [](DomainSpec& s) { s.name = "a\nb"; }},
      {"name", [](DomainSpec& s) { s.name = std::string("a\0b", 3); }},
      {"name", [](DomainSpec& s) { s.name = "a\xff"; }},
      {"name", [](DomainSpec& s) { s.name = "a\xef\xbf\xbf"; }},
      {"serial_log_file", [](DomainSpec& s) { s.serial_log_file = "/a\t"; }},
      {"mark.agent_node", [](DomainSpec& s) { s.mark.agent_node = "\x1b"; }},
      {"mark.secret.entity", [](DomainSpec& s) { s.mark.secret->entity = ""; }},
      {"mark.secret.fingerprint", [](DomainSpec& s) { s.mark.secret->fingerprint = "\n"; }},
      {"vcpus", [](DomainSpec& s) { s.vcpus = 0; }},
      {"memory_mib", [](DomainSpec& s) { s.memory_mib = 0; }},
      {"memory_mib", [](DomainSpec& s) { s.memory_mib = uint64_t{1} << 54; }},
      {"machine", [](DomainSpec& s) { s.machine = "microvm"; }},
      {"machine", [](DomainSpec& s) { s.machine = "pc-q35-\n"; }},
      {"cpu.model", [](DomainSpec& s) { s.cpu.model = "EPYC"; }},
      {"cpu.model", [](DomainSpec& s) { s.cpu.mode = CpuMode::kNamed; }},
      {"cpu.features",
       [](DomainSpec& s) {
         s.cpu.features = {{"vmx", CpuPolicy::kDisable}};
       }},
      {"cpu.features[0].name",
       [](DomainSpec& s) {
         s.cpu.mode = CpuMode::kHostModel;
         s.cpu.features = {{"", CpuPolicy::kDisable}};
       }},
      {"disks", [](DomainSpec& s) { s.disks.clear(); }},
      {"disks[1].monitors", [](DomainSpec& s) { s.disks[1].monitors.clear(); }},
      {"disks[0].monitors[1].name", [](DomainSpec& s) { s.disks[0].monitors[1].name = ""; }},
      {"disks[0].pool", [](DomainSpec& s) { s.disks[0].pool = ""; }},
      {"disks[0].pool", [](DomainSpec& s) { s.disks[0].pool = "vms/x"; }},
      {"disks[0].rados_namespace", [](DomainSpec& s) { s.disks[0].rados_namespace = "a/b"; }},
      {"disks[0].image", [](DomainSpec& s) { s.disks[0].image = "a/b"; }},
      {"disks[0].auth.username", [](DomainSpec& s) { s.disks[0].auth->username = "\r"; }},
      {"disks[0].target", [](DomainSpec& s) { s.disks[0].target = ""; }},
      {"disks[1].serial", [](DomainSpec& s) { s.disks[1].serial = "\x80"; }},
      {"disks[0].iothread",
       [](DomainSpec& s) {
         s.disks[0].bus = DiskBus::kScsi;
         s.disks[0].iothread = 1;
       }},
      {"disks[0].read_errors",
       [](DomainSpec& s) { s.disks[0].read_errors = ErrorPolicy::kEnospace; }},
      {"disks[0].io_tune.group", [](DomainSpec& s) { s.disks[0].io_tune.group = "\n"; }},
      {"max_memory_mib", [](DomainSpec& s) { s.max_memory_mib = s.memory_mib; }},
      {"numa_nodes[0].cpus", [](DomainSpec& s) { s.numa_nodes = {{.memory_mib = 1}}; }},
      {"numa_nodes[0].memory_mib", [](DomainSpec& s) { s.numa_nodes = {{.cpus = {0}}}; }},
      {"host.vcpu_pins[0].host_cpus", [](DomainSpec& s) { s.host.vcpu_pins.emplace_back(); }},
      {"nics[0].source_name", [](DomainSpec& s) { s.nics[0].source_name = ""; }},
      {"nics[0].open_vswitch",
       [](DomainSpec& s) {
         s.nics[0].source = NicSource::kNetwork;
         s.nics[0].open_vswitch.emplace();
       }},
      {"nics[0].open_vswitch.interface_id",
       [](DomainSpec& s) { s.nics[0].open_vswitch.emplace(); }},
      {"nics[0].filter.name", [](DomainSpec& s) { s.nics[0].filter.emplace(); }},
      {"nics[0].filter.ips",
       [](DomainSpec& s) { s.nics[0].filter = NicFilter{.name = "a", .ips = {""}}; }},
      {"nics[0].mac", [](DomainSpec& s) { s.nics[0].mac = "\n"; }},
  };
  for (const auto& c : kCases) {
    DomainSpec spec = GuideSpec();
    c.spoil(spec);
    const absl::Status status = Render(spec).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.field;
    EXPECT_THAT(ErrorField(status), Optional(std::string(c.field))) << status;
  }
}

TEST(DomainXmlTest, ParseOfRenderIsTheSpec) {
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    std::mt19937_64 random(seed);
    const DomainSpec spec = RandomSpec(random, Texts::kAnyXml);
    auto xml = Render(spec);
    ASSERT_TRUE(xml.ok()) << "seed " << seed << ": " << xml.status();
    auto parsed = Parse(*xml);
    ASSERT_TRUE(parsed.ok()) << "seed " << seed << ": " << parsed.status() << "\n" << *xml;
    ASSERT_TRUE(*parsed == spec) << "seed " << seed << "\n" << *xml;
  }
}

TEST(ParseTest, ReadsMemoryInTheUnitsThatLibvirtAndPeopleWrite) {
  const std::string xml = *Render(GuideSpec());
  const auto with_memory = [&](const char* memory) {
    return Parse(
        absl::StrReplaceAll(xml, {{"<memory unit=\"KiB\">262144</memory>", memory},
                                  {"<currentMemory unit=\"KiB\">262144</currentMemory>", ""}}));
  };
  EXPECT_EQ(with_memory("<memory unit='MiB'>300</memory>")->memory_mib, 300);
  EXPECT_EQ(with_memory("<memory unit='KiB'>1024</memory>")->memory_mib, 1);
  EXPECT_EQ(with_memory("<memory>2048</memory>")->memory_mib, 2);
  EXPECT_FALSE(with_memory("<memory unit='KiB'>1023</memory>").ok());
  EXPECT_FALSE(with_memory("<memory unit='cubit'>1024</memory>").ok());
  EXPECT_FALSE(with_memory("<memory unit='MiB'>-1</memory>").ok());
  EXPECT_FALSE(with_memory("").ok());
}

TEST(ParseTest, TakesAVersionForLibvirtsChoiceUnlessItWasAskedFor) {
  const auto machine_of = [](const std::string& asked, const std::string& defined) {
    DomainSpec spec = GuideSpec();
    spec.machine = asked;
    return Parse(absl::StrReplaceAll(*Render(spec), {{absl::StrCat("\"", asked, "\">hvm"),
                                                      absl::StrCat("\"", defined, "\">hvm")}}))
        ->machine;
  };
  EXPECT_EQ(machine_of("pc", "pc-i440fx-7.2"), "pc");
  EXPECT_EQ(machine_of("q35", "pc-q35-7.2"), "q35");
  EXPECT_EQ(machine_of("pc-q35-7.2", "pc-q35-7.2"), "pc-q35-7.2");
  // What was changed by hand differs from what was asked for.
  EXPECT_EQ(machine_of("pc", "pc-q35-7.2"), "q35");
  EXPECT_EQ(machine_of("pc-q35-7.2", "pc-q35-6.0"), "q35");
}

TEST(ParseTest, TakesUnsaidErrorPoliciesForWhatQemuDoesThen) {
  const std::string xml = *Render(MinimalSpec());
  const auto disk_with = [&](const char* policies) {
    return Parse(absl::StrReplaceAll(xml,
                                     {{R"( error_policy="stop" rerror_policy="stop")", policies}}))
        ->disks[0];
  };
  EXPECT_EQ(disk_with("").write_errors, ErrorPolicy::kEnospace);
  EXPECT_EQ(disk_with("").read_errors, ErrorPolicy::kReport);
  EXPECT_EQ(disk_with(R"( error_policy="stop")").read_errors, ErrorPolicy::kStop);
  EXPECT_EQ(disk_with(R"( error_policy="report")").read_errors, ErrorPolicy::kReport);
}

TEST(ParseTest, RefusesWhatIsNoDomainSpec) {
  const std::string xml = *Render(GuideSpec());
  const struct {
    const char* from;
    const char* to;
    const char* names;  // what the message must point at
  } kCases[] = {
      {"type=\"kvm\"", "type=\"xen\"", "domain/@type"},
      {"65bd684f-0414-4b58-9924-af681091be09</uuid>", "65bd</uuid>", "uuid"},
      {"<vcpu>1</vcpu>", "<vcpu>one</vcpu>", "vcpu"},
      {"generation=\"7\"", "generation=\"x\"", "mark/@generation"},
      {"generation=\"1700000000\"", "generation=\"x\"", "mark/secret/@generation"},
      {"disk type=\"network\"", "disk type=\"file\"", "disk/@type"},
      {"device=\"disk\"", "device=\"cdrom\"", "disk/@device"},
      {"type=\"raw\"", "type=\"qcow2\"", "driver/@type"},
      {"cache=\"writeback\"", "cache=\"write\"", "driver/@cache"},
      {"discard=\"unmap\"", "discard=\"on\"", "driver/@discard"},
      {"uuid=\"4810c760", "uuid=\"", "secret/@uuid"},
      {"protocol=\"rbd\"", "protocol=\"nbd\"", "source/@protocol"},
      {"name=\"vms/65bd684f-0414-4b58-9924-af681091be09_disk\"", "name=\"a\"", "source/@name"},
      {"port=\"6789\"", "port=\"65536\"", "host/@port"},
      {"bus=\"virtio\"", "bus=\"ide\"", "target/@bus"},
      {" error_policy=\"stop\"", " error_policy=\"ignore\"", "driver/@error_policy"},
      {"rerror_policy=\"stop\"", "rerror_policy=\"ignore\"", "driver/@rerror_policy"},
      {"discard=\"unmap\"", "detect_zeroes=\"yes\"", "driver/@detect_zeroes"},
      {"discard=\"unmap\"", "iothread=\"x\"", "driver/@iothread"},
      {"<boot order=\"1\"", "<boot order=\"x\"", "boot/@order"},
      {"<boot order=\"1\" />", "<iotune><read_iops_sec_max>-1</read_iops_sec_max></iotune>",
       "iotune/read_iops_sec_max"},
      {"interface type=\"bridge\"", "interface type=\"null\"", "interface/@type"},
      {"<source bridge", "<virtualport type=\"802.1Qbg\"/><source bridge", "virtualport/@type"},
      {"<source bridge", "<vlan><tag id=\"4\"/></vlan><source bridge", "virtualport/@type"},
      {"<source bridge", "<filterref><parameter name=\"X\"/></filterref><source bridge",
       "parameter/@name"},
      {"<source bridge", "<mtu size=\"x\"/><source bridge", "mtu/@size"},
      {"<rng", "<watchdog model=\"x\"/><rng", "watchdog/@model"},
      {"<rng", "<watchdog model=\"ib700\" action=\"x\"/><rng", "watchdog/@action"},
      {"<rng", "<graphics type=\"spice\"/><rng", "graphics/@type"},
      {"<rng", "<graphics type=\"vnc\"/><rng", "listen/@type"},
      {"<rng", R"(<graphics type="vnc"><listen type="address" address="0.0.0.0"/></graphics><rng)",
       "listen/@address"},
      {"<rng", R"(<graphics type="vnc"><listen type="socket"/><listen/></graphics><rng)",
       "more than one"},
      {"</os>", "</os><cputune><vcpupin vcpu=\"0\" cpuset=\"x\"/></cputune>", "vcpupin/@cpuset"},
      {"</os>", "</os><numatune><memory mode=\"preferred\"/></numatune>", "memory/@mode"},
      {"</os>", "</os><cpu><numa><cell id=\"1\"/></numa></cpu>", "cell/@id"},
      {"<currentMemory unit=\"KiB\">262144", "<currentMemory unit=\"KiB\">263168",
       "is more than memory"},
      {"<model type=\"virtio\"", "<model type=\"rtl8139\"", "model/@type"},
      {"machine=\"pc\"", "machine=\"microvm\"", "os/type/@machine"},
      {"<os>", "<os firmware=\"coreboot\">", "os/@firmware"},
      {"</os>", "</os><cpu mode=\"maximum\"/>", "cpu/@mode"},
      {"</os>", "</os><cpu mode=\"host-model\"><model>EPYC</model></cpu>", "cpu/model"},
      {"</os>", "</os><cpu><topology sockets=\"x\"/></cpu>", "topology/@sockets"},
      {"</os>", "</os><cpu><topology sockets=\"1\" dies=\"2\"/></cpu>", "topology/@dies"},
      {"</os>", "</os><cpu mode=\"host-model\"><feature policy=\"x\"/></cpu>", "feature/@policy"},
      {"</domain>", "", "at byte"},
      {kMarkNamespace, "https://example.org/", "somebody else's"},
  };
  for (const auto& c : kCases) {
    const std::string spoilt = absl::StrReplaceAll(xml, {{c.from, c.to}});
    ASSERT_NE(spoilt, xml) << c.from;
    const absl::Status status = Parse(spoilt).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.names));
  }
  EXPECT_FALSE(Parse("").ok());
  EXPECT_FALSE(Parse("<network/>").ok());
}

TEST(ParseMarkTest, ReadsTheMarkWhateverItsPrefix) {
  const DomainMark mark{.agent_node = "compute-1", .generation = 7};
  const auto with_metadata = [](const std::string& metadata) {
    return ParseMark("<domain><metadata>" + metadata + "</metadata></domain>");
  };
  const std::string ns = kMarkNamespace;
  EXPECT_THAT(
      *with_metadata("<hvagent:mark xmlns:hvagent='" + ns + "' node='compute-1' generation='7'/>"),
      Optional(mark));
  EXPECT_THAT(*with_metadata("<mark xmlns='" + ns + "' node='compute-1' generation='7'/>"),
              Optional(mark));
  EXPECT_THAT(
      *with_metadata("<mark xmlns='" + ns + "' node='compute-1' generation='7' epoch='3'/>"),
      Optional(DomainMark{.agent_node = "compute-1", .generation = 7, .epoch = 3}));
  EXPECT_FALSE(with_metadata("<mark xmlns='" + ns + "' generation='7' epoch=''/>").ok());
  EXPECT_THAT(*with_metadata("<nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt'/>"
                             "<x:mark xmlns:x='" +
                             ns + "' node='compute-1' generation='7'/>"),
              Optional(mark));
}

TEST(ParseMarkTest, ReadsTheKeyThatQemuWasGivenAndMarksWithoutOne) {
  const auto with_content = [](const std::string& content) {
    return ParseMark(absl::StrCat("<domain><metadata><m:mark xmlns:m='", kMarkNamespace,
                                  "' node='compute-1' generation='7'>", content,
                                  "</m:mark></metadata></domain>"));
  };
  DomainMark mark{.agent_node = "compute-1", .generation = 7};
  EXPECT_THAT(*with_content(""), Optional(mark));
  // Somebody else's element of that name says nothing.
  EXPECT_THAT(*with_content("<secret entity='a' fingerprint='b' generation='1'/>"), Optional(mark));
  mark.secret = SecretStamp{.entity = "client.cinder",
                            .fingerprint = "9c8f3d2a41b07e65",
                            .generation_unix_s = 1700000000};
  EXPECT_THAT(*with_content("<m:secret entity='client.cinder' fingerprint='9c8f3d2a41b07e65' "
                            "generation='1700000000'/>"),
              Optional(mark));
  EXPECT_EQ(with_content("<m:secret entity='client.cinder'/>").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ParseMarkTest, FindsNoneInSomebodyElsesDomain) {
  EXPECT_EQ(*ParseMark("<domain type='qemu'><name>theirs</name></domain>"), std::nullopt);
  // The element's name alone is not enough: it is the namespace that is ours.
  EXPECT_EQ(*ParseMark("<domain><metadata><hvagent:mark xmlns:hvagent='urn:x' generation='1'/>"
                       "<mark generation='1'/></metadata></domain>"),
            std::nullopt);
}

TEST(ParseMarkTest, RefusesAMarkThatCannotBeRead) {
  const std::string xml = absl::StrCat("<domain><metadata><m:mark xmlns:m='", kMarkNamespace,
                                       "' node='a'/></metadata></domain>");
  EXPECT_EQ(ParseMark(xml).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(ParseMark("<domain>").ok());
}

}  // namespace
}  // namespace hvagent::domain_xml
