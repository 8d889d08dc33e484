#include "domain_xml/vm_spec.h"

#include <google/protobuf/util/message_differencer.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/domain_xml/guide_spec.h"
#include "tests/unit/domain_xml/guide_vm.h"

namespace hvagent::domain_xml {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

TEST(ValidateVmSpecTest, AcceptsTheGuidesVm) {
  EXPECT_EQ(ValidateVmSpec(GuideVm()), absl::OkStatus());
}

TEST(ValidateVmSpecTest, AcceptsWhatMayBeLeftOut) {
  EXPECT_EQ(ValidateVmSpec(With([](v1::VmSpec& s) {
              s.clear_node();
              s.clear_power_state();
              s.mutable_root_disk()->clear_cache();
              s.clear_volumes();
              s.mutable_nics(0)->clear_model();
            })),
            absl::OkStatus());
  EXPECT_EQ(ValidateVmSpec(With([](v1::VmSpec& s) { s.clear_nics(); })), absl::OkStatus());
}

TEST(ValidateVmSpecTest, NamesTheFieldThatIsWrong) {
  const struct {
    const char* field;
    Change spoil;
  } kCases[] = {
      {"uuid", [](v1::VmSpec& s) { s.clear_uuid(); }},
      {"uuid", [](v1::VmSpec& s) { s.set_uuid("65bd684f"); }},
      {"uuid", [](v1::VmSpec& s) { s.set_uuid("00000000-0000-0000-0000-000000000000"); }},
      {"name", [](v1::VmSpec& s) { s.clear_name(); }},
      {"name", [](v1::VmSpec& s) { s.set_name("a/b"); }},
      {"name", [](v1::VmSpec& s) { s.set_name("a@b"); }},
      {"name", [](v1::VmSpec& s) { s.set_name("a:b"); }},
      {"name", [](v1::VmSpec& s) { s.set_name("a\\b"); }},
      {"name", [](v1::VmSpec& s) { s.set_name("a\x01"); }},
      {"name", [](v1::VmSpec& s) { s.set_name(std::string(300, 'a')); }},
      {"node", [](v1::VmSpec& s) { s.set_node("../etc"); }},
      {"node", [](v1::VmSpec& s) { s.set_node("-v"); }},
      {"node", [](v1::VmSpec& s) { s.set_node(std::string(254, 'a')); }},
      {"restart_policy",
       [](v1::VmSpec& s) { s.set_restart_policy(static_cast<v1::VmSpec::RestartPolicy>(9)); }},
      {"power_state", [](v1::VmSpec& s) { s.set_power_state(static_cast<v1::PowerState>(9)); }},
      {"vcpus", [](v1::VmSpec& s) { s.set_vcpus(0); }},
      {"vcpus", [](v1::VmSpec& s) { s.set_vcpus(1025); }},
      {"memory_mib", [](v1::VmSpec& s) { s.set_memory_mib(15); }},
      {"memory_mib", [](v1::VmSpec& s) { s.set_memory_mib(UINT64_MAX); }},
      {"machine", [](v1::VmSpec& s) { s.set_machine("virt"); }},
      {"machine", [](v1::VmSpec& s) { s.set_machine("pc-q35-"); }},
      {"machine", [](v1::VmSpec& s) { s.set_machine("pc-q35-7.2,usb=on"); }},
      {"firmware", [](v1::VmSpec& s) { s.set_firmware(static_cast<v1::Firmware>(3)); }},
      {"cpu.mode", [](v1::VmSpec& s) { s.mutable_cpu()->set_mode(static_cast<v1::CpuMode>(4)); }},
      {"cpu.model", [](v1::VmSpec& s) { s.mutable_cpu()->set_mode(v1::NAMED); }},
      {"cpu.model", [](v1::VmSpec& s) { s.mutable_cpu()->set_model("EPYC,+vmx"); }},
      {"cpu.model",
       [](v1::VmSpec& s) {
         s.mutable_cpu()->set_mode(v1::HOST_MODEL);
         s.mutable_cpu()->set_model("EPYC");
       }},
      {"cpu.features", [](v1::VmSpec& s) { s.mutable_cpu()->add_features()->set_name("vmx"); }},
      {"cpu.features[0].name",
       [](v1::VmSpec& s) {
         s.mutable_cpu()->set_mode(v1::HOST_MODEL);
         s.mutable_cpu()->add_features();
       }},
      {"cpu.features[0].policy",
       [](v1::VmSpec& s) {
         s.mutable_cpu()->set_mode(v1::HOST_MODEL);
         s.mutable_cpu()->add_features()->set_name("vmx");
         s.mutable_cpu()->mutable_features(0)->set_policy(static_cast<v1::CpuFeature::Policy>(6));
       }},
      {"cpu.features[1].name",
       [](v1::VmSpec& s) {
         s.mutable_cpu()->set_mode(v1::HOST_MODEL);
         s.mutable_cpu()->add_features()->set_name("vmx");
         s.mutable_cpu()->add_features()->set_name("vmx");
       }},
      {"cpu.topology", [](v1::VmSpec& s) { s.mutable_cpu()->mutable_topology()->set_cores(2); }},
      {"cpu.topology",
       [](v1::VmSpec& s) {
         // Their product is 1 in 32 bits, and 1 more than 2^64 in none.
         s.mutable_cpu()->mutable_topology()->set_sockets(0xffffffff);
         s.mutable_cpu()->mutable_topology()->set_cores(0xffffffff);
       }},
      {"root_disk", [](v1::VmSpec& s) { s.clear_root_disk(); }},
      {"root_disk.image", [](v1::VmSpec& s) { s.mutable_root_disk()->set_image("a@snap"); }},
      {"root_disk.size_gib", [](v1::VmSpec& s) { s.mutable_root_disk()->set_size_gib(0); }},
      {"root_disk.size_gib", [](v1::VmSpec& s) { s.mutable_root_disk()->set_size_gib(65537); }},
      {"root_disk.cache",
       [](v1::VmSpec& s) { s.mutable_root_disk()->set_cache(static_cast<v1::CacheMode>(6)); }},
      {"root_disk.discard",
       [](v1::VmSpec& s) { s.mutable_root_disk()->set_discard(static_cast<v1::DiscardMode>(3)); }},
      {"volumes[0].id", [](v1::VmSpec& s) { s.mutable_volumes(0)->set_id("volume-1"); }},
      {"volumes[0].cache",
       [](v1::VmSpec& s) { s.mutable_volumes(0)->set_cache(static_cast<v1::CacheMode>(-1)); }},
      {"volumes[1].id",
       [](v1::VmSpec& s) { s.add_volumes()->set_id("AF7CE6B7-12C2-4BDF-933C-884A4F514617"); }},
      {"volumes",
       [](v1::VmSpec& s) {
         for (int i = 0; i < 25; ++i) s.add_volumes();
       }},
      {"nics[0].bridge", [](v1::VmSpec& s) { s.mutable_nics(0)->clear_bridge(); }},
      {"nics[0].bridge", [](v1::VmSpec& s) { s.mutable_nics(0)->set_bridge("sixteen-letters-"); }},
      {"nics[0].bridge", [](v1::VmSpec& s) { s.mutable_nics(0)->set_bridge("br 0"); }},
      {"nics[0].mac", [](v1::VmSpec& s) { s.mutable_nics(0)->clear_mac(); }},
      {"nics[0].mac", [](v1::VmSpec& s) { s.mutable_nics(0)->set_mac("52:54:00:12:34"); }},
      {"nics[0].mac", [](v1::VmSpec& s) { s.mutable_nics(0)->set_mac("52:54:00:12:34:5g"); }},
      {"nics[0].mac", [](v1::VmSpec& s) { s.mutable_nics(0)->set_mac("52-54-00-12-34-56"); }},
      {"nics[0].mac", [](v1::VmSpec& s) { s.mutable_nics(0)->set_mac("01:54:00:12:34:56"); }},
      {"nics[0].mac", [](v1::VmSpec& s) { s.mutable_nics(0)->set_mac("FE:54:00:12:34:56"); }},
      {"nics[0].mac", [](v1::VmSpec& s) { s.mutable_nics(0)->set_mac("00:00:00:00:00:00"); }},
      {"nics[0].model", [](v1::VmSpec& s) { s.mutable_nics(0)->set_model("rtl8139"); }},
      {"nics[1].mac", [](v1::VmSpec& s) { *s.add_nics() = s.nics(0); }},
      {"nics",
       [](v1::VmSpec& s) {
         for (int i = 0; i < 16; ++i) s.add_nics();
       }},
  };
  for (const auto& c : kCases) {
    const absl::Status status = ValidateVmSpec(With(c.spoil));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.field;
    EXPECT_THAT(ErrorField(status), Optional(std::string(c.field))) << status;
  }
}

TEST(ValidateVmSpecTest, SaysTheLimitAndTheValue) {
  const absl::Status status =
      ValidateVmSpec(With([](v1::VmSpec& s) { s.mutable_root_disk()->set_size_gib(0); }));
  EXPECT_EQ(status.message(), "root_disk.size_gib: must be from 1 to 65536, not 0");
}

TEST(NormalizeTest, EqualWishesBecomeEqualMessages) {
  const v1::VmSpec terse = With([](v1::VmSpec& s) {
    s.set_uuid("65BD684F-0414-4B58-9924-AF681091BE09");
    s.clear_power_state();
    s.mutable_root_disk()->clear_cache();
    s.mutable_volumes(0)->clear_cache();
    s.mutable_volumes(0)->set_id("AF7CE6B7-12c2-4bdf-933c-884a4f514617");
    s.mutable_nics(0)->clear_model();
    s.mutable_nics(0)->set_mac("52:54:00:12:34:56");
  });
  EXPECT_TRUE(MessageDifferencer::Equals(Normalize(terse), Normalize(GuideVm())));
  EXPECT_TRUE(MessageDifferencer::Equals(Normalize(Normalize(terse)), Normalize(terse)));
}

TEST(NormalizeTest, FillsInWhatTheCpuLeftOut) {
  const v1::VmSpec terse = With([](v1::VmSpec& s) {
    s.set_vcpus(4);
    s.mutable_cpu()->set_model("EPYC");
    s.mutable_cpu()->add_features()->set_name("vmx");
    s.mutable_cpu()->mutable_topology()->set_cores(4);
  });
  v1::VmSpec full = With([](v1::VmSpec& s) {
    s.set_vcpus(4);
    s.set_restart_policy(v1::VmSpec::ALWAYS);
    s.set_machine("pc");
    s.set_firmware(v1::BIOS);
    s.set_guest_agent(true);
    s.set_rng(true);
    s.mutable_cpu()->set_mode(v1::NAMED);
    s.mutable_cpu()->set_model("EPYC");
    v1::CpuFeature& feature = *s.mutable_cpu()->add_features();
    feature.set_name("vmx");
    feature.set_policy(v1::CpuFeature::REQUIRE);
    v1::CpuTopology& topology = *s.mutable_cpu()->mutable_topology();
    topology.set_sockets(1);
    topology.set_cores(4);
    topology.set_threads(1);
  });
  *full.mutable_root_disk() = Normalize(full).root_disk();
  *full.mutable_volumes() = Normalize(full).volumes();
  EXPECT_TRUE(MessageDifferencer::Equals(Normalize(terse), full));
  EXPECT_EQ(ValidateVmSpec(full), absl::OkStatus());
}

TEST(NormalizeTest, KeepsWhatWasChosen) {
  const v1::VmSpec chosen = With([](v1::VmSpec& s) {
    s.set_power_state(v1::STOPPED);
    s.set_restart_policy(v1::VmSpec::NEVER);
    s.mutable_root_disk()->set_cache(v1::NONE);
    s.mutable_nics(0)->set_model("e1000");
    s.set_machine("pc-q35-7.2");
    s.set_firmware(v1::UEFI);
    s.set_guest_agent(false);
    s.set_rng(true);
    s.mutable_cpu()->set_mode(v1::HOST_PASSTHROUGH);
    s.mutable_root_disk()->set_bus(v1::SATA);
    s.mutable_root_disk()->set_boot_order(7);
    s.mutable_root_disk()->set_error_policy(v1::REPORT);
    s.mutable_root_disk()->set_read_error_policy(v1::REPORT);
    s.mutable_volumes(0)->set_bus(v1::SCSI);
    s.mutable_volumes(0)->set_serial("data");
    s.mutable_volumes(0)->set_error_policy(v1::ENOSPACE);
    s.mutable_volumes(0)->set_read_error_policy(v1::STOP);
  });
  EXPECT_TRUE(MessageDifferencer::Equals(Normalize(chosen), chosen));
}

TEST(DifferingFieldsTest, NamesEachFieldThatDiffers) {
  EXPECT_THAT(DifferingFields(GuideVm(), With([](v1::VmSpec& s) {
                                s.set_vcpus(2);
                                s.mutable_root_disk()->set_size_gib(2);
                                s.mutable_volumes(0)->set_cache(v1::NONE);
                              })),
              ElementsAre("vcpus", "root_disk.size_gib", "volumes[0].cache"));
  EXPECT_THAT(DifferingFields(GuideVm(), With([](v1::VmSpec& s) { s.clear_node(); })),
              ElementsAre("node"));
}

TEST(DifferingFieldsTest, NamesElementsThatOneSideLacks) {
  const v1::VmSpec without = With([](v1::VmSpec& s) { s.clear_nics(); });
  EXPECT_THAT(DifferingFields(GuideVm(), without), ElementsAre("nics[0]"));
  EXPECT_THAT(DifferingFields(without, GuideVm()), ElementsAre("nics[0]"));
}

TEST(DifferingFieldsTest, IsEmptyForTheSameWishInOtherWords) {
  EXPECT_THAT(DifferingFields(GuideVm(), With([](v1::VmSpec& s) {
                                s.clear_power_state();
                                s.mutable_root_disk()->clear_cache();
                                s.mutable_nics(0)->clear_model();
                              })),
              IsEmpty());
}

TEST(ResolveVmTest, TheManifestsVmBecomesTheGuidesDomain) {
  auto domain = ResolveVm(GuideVm(), GuidePlacement());
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_TRUE(*domain == GuideSpec());
}

TEST(ResolveVmTest, CarriesEveryModeOver) {
  auto domain = ResolveVm(With([](v1::VmSpec& s) {
                            s.mutable_root_disk()->set_cache(v1::NONE);
                            s.mutable_root_disk()->set_discard(v1::IGNORE);
                            s.mutable_volumes(0)->set_cache(v1::WRITETHROUGH);
                            s.mutable_volumes(0)->clear_discard();
                            v1::VolumeAttachment& second = *s.add_volumes();
                            second.set_id("00000000-0000-4000-8000-000000000002");
                            second.set_cache(v1::DIRECTSYNC);
                            v1::VolumeAttachment& third = *s.add_volumes();
                            third.set_id("00000000-0000-4000-8000-000000000003");
                            third.set_cache(v1::UNSAFE);
                            s.mutable_nics(0)->set_model("e1000");
                            s.mutable_nics(0)->set_mac("52:54:00:AB:CD:EF");
                          }),
                          GuidePlacement());
  ASSERT_TRUE(domain.ok()) << domain.status();
  ASSERT_EQ(domain->disks.size(), 4);
  EXPECT_EQ(domain->disks[0].cache, CacheMode::kNone);
  EXPECT_EQ(domain->disks[0].discard, DiscardMode::kIgnore);
  EXPECT_EQ(domain->disks[1].cache, CacheMode::kWritethrough);
  EXPECT_EQ(domain->disks[1].discard, DiscardMode::kDefault);
  EXPECT_EQ(domain->disks[2].cache, CacheMode::kDirectsync);
  EXPECT_EQ(domain->disks[3].cache, CacheMode::kUnsafe);
  EXPECT_EQ(domain->disks[3].target, "vdd");
  EXPECT_EQ(domain->disks[3].serial, "00000000-0000-4000-8000-000000000003");
  EXPECT_EQ(domain->nics[0].model, NicModel::kE1000);
  EXPECT_EQ(domain->nics[0].mac, "52:54:00:ab:cd:ef");
}

TEST(ResolveVmTest, CarriesMachineAndCpuOver) {
  auto domain = ResolveVm(With([](v1::VmSpec& s) {
                            s.set_vcpus(8);
                            s.set_machine("pc-q35-7.2");
                            s.set_firmware(v1::UEFI);
                            v1::Cpu& cpu = *s.mutable_cpu();
                            cpu.set_model("Skylake-Server-IBRS");
                            const std::pair<const char*, v1::CpuFeature::Policy> kFeatures[] = {
                                {"pcid", v1::CpuFeature::POLICY_UNSPECIFIED},
                                {"vmx", v1::CpuFeature::DISABLE},
                                {"avx512f", v1::CpuFeature::OPTIONAL},
                                {"x2apic", v1::CpuFeature::FORCE},
                                {"mpx", v1::CpuFeature::FORBID}};
                            for (const auto& [name, policy] : kFeatures) {
                              v1::CpuFeature& feature = *cpu.add_features();
                              feature.set_name(name);
                              feature.set_policy(policy);
                            }
                            cpu.mutable_topology()->set_cores(4);
                            cpu.mutable_topology()->set_threads(2);
                          }),
                          GuidePlacement());
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_TRUE(*domain == MachineSpec());
  const std::pair<v1::CpuMode, CpuMode> kModes[] = {
      {v1::CPU_MODE_UNSPECIFIED, CpuMode::kDefault},
      {v1::HOST_MODEL, CpuMode::kHostModel},
      {v1::HOST_PASSTHROUGH, CpuMode::kHostPassthrough}};
  for (const auto& [asked, given] : kModes) {
    const v1::VmSpec vm = With([mode = asked](v1::VmSpec& s) { s.mutable_cpu()->set_mode(mode); });
    EXPECT_EQ(ResolveVm(vm, GuidePlacement())->cpu.mode, given);
  }
}

TEST(ResolveVmTest, NeitherLogsNorAuthenticatesUnlessThePlacementDoes) {
  Placement placement = GuidePlacement();
  placement.serial_log_dir.clear();
  placement.auth.reset();
  auto domain = ResolveVm(GuideVm(), placement);
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_THAT(domain->serial_log_file, IsEmpty());
  EXPECT_EQ(domain->disks[0].auth, std::nullopt);
}

TEST(ResolveVmTest, RefusesWhatValidationRefuses) {
  auto domain = ResolveVm(With([](v1::VmSpec& s) { s.set_vcpus(0); }), GuidePlacement());
  EXPECT_EQ(domain.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(domain.status().message()), HasSubstr("vcpus"));
}

}  // namespace
}  // namespace hvagent::domain_xml
