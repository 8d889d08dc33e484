// A VmSpec's root disk and volumes.
#include <google/protobuf/util/message_differencer.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "domain_xml/vm_spec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/domain_xml/guide_spec.h"
#include "tests/unit/domain_xml/guide_vm.h"

namespace hvagent::domain_xml {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::Optional;

constexpr char kOtherVolume[] = "00000000-0000-4000-8000-00000000000b";

TEST(ValidateDisksTest, NamesTheFieldThatIsWrong) {
  const struct {
    const char* field;
    Change spoil;
  } kCases[] = {
      {"root_disk.image", [](v1::VmSpec& s) { s.mutable_root_disk()->clear_image(); }},
      {"root_disk.volume", [](v1::VmSpec& s) { s.mutable_root_disk()->set_volume(kOtherVolume); }},
      {"root_disk.volume",
       [](v1::VmSpec& s) {
         s.clear_root_disk();
         s.mutable_root_disk()->set_volume("b");
       }},
      {"root_disk.size_gib",
       [](v1::VmSpec& s) {
         s.mutable_root_disk()->clear_image();
         s.mutable_root_disk()->set_volume(kOtherVolume);
       }},
      {"root_disk.existing", [](v1::VmSpec& s) { s.mutable_root_disk()->set_existing(v1::KEEP); }},
      {"root_disk.existing",
       [](v1::VmSpec& s) {
         s.clear_root_disk();
         s.mutable_root_disk()->set_volume(kOtherVolume);
         s.mutable_root_disk()->set_existing(v1::KEEP);
       }},
      {"root_disk.existing",
       [](v1::VmSpec& s) {
         s.mutable_root_disk()->set_existing(static_cast<v1::ExistingDisk>(3));
       }},
      {"root_disk.size_gib",
       [](v1::VmSpec& s) {
         s.mutable_root_disk()->clear_image();
         s.mutable_root_disk()->set_existing(v1::KEEP);
       }},
      {"root_disk.size_gib",
       [](v1::VmSpec& s) {
         s.mutable_root_disk()->clear_image();
         s.mutable_root_disk()->set_existing(v1::ADOPT);
         s.mutable_root_disk()->set_size_gib(65537);
       }},
      {"volumes[0].id",
       [](v1::VmSpec& s) {
         s.clear_root_disk();
         s.mutable_root_disk()->set_volume(s.volumes(0).id());
       }},
      {"root_disk.bus",
       [](v1::VmSpec& s) { s.mutable_root_disk()->set_bus(static_cast<v1::DiskBus>(4)); }},
      {"root_disk.detect_zeroes",
       [](v1::VmSpec& s) {
         s.mutable_root_disk()->set_detect_zeroes(static_cast<v1::DetectZeroes>(3));
       }},
      {"root_disk.error_policy",
       [](v1::VmSpec& s) {
         s.mutable_root_disk()->set_error_policy(static_cast<v1::ErrorPolicy>(4));
       }},
      {"root_disk.read_error_policy",
       [](v1::VmSpec& s) { s.mutable_root_disk()->set_read_error_policy(v1::ENOSPACE); }},
      {"root_disk.serial", [](v1::VmSpec& s) { s.mutable_root_disk()->set_serial("a,b"); }},
      {"root_disk.serial",
       [](v1::VmSpec& s) { s.mutable_root_disk()->set_serial(std::string(37, 'a')); }},
      {"root_disk.iothread", [](v1::VmSpec& s) { s.mutable_root_disk()->set_iothread(17); }},
      {"volumes[0].iothread",
       [](v1::VmSpec& s) {
         s.mutable_volumes(0)->set_bus(v1::SCSI);
         s.mutable_volumes(0)->set_iothread(1);
       }},
      {"root_disk.boot_order", [](v1::VmSpec& s) { s.mutable_root_disk()->set_boot_order(65); }},
      {"volumes[0].boot_order",
       [](v1::VmSpec& s) {
         s.mutable_root_disk()->set_boot_order(2);
         s.mutable_volumes(0)->set_boot_order(2);
       }},
      {"volumes[0].read_only",
       [](v1::VmSpec& s) {
         s.mutable_volumes(0)->set_bus(v1::SATA);
         s.mutable_volumes(0)->set_read_only(true);
       }},
      {"volumes[0].cache", [](v1::VmSpec& s) { s.mutable_volumes(0)->set_shareable(true); }},
  };
  for (const auto& c : kCases) {
    const absl::Status status = ValidateVmSpec(With(c.spoil));
    EXPECT_THAT(ErrorField(status), Optional(std::string(c.field))) << status;
  }
}

TEST(ValidateDisksTest, HoldsIoLimitsToTheRulesOfLibvirtAndQemu) {
  const struct {
    const char* field;
    void (*set)(v1::IoLimits&);
  } kCases[] = {
      {"total_bytes_sec", [](v1::IoLimits& l) { l.set_total_bytes_sec(1'000'000'000'000'001); }},
      {"read_iops_sec_max",
       [](v1::IoLimits& l) {
         l.set_read_iops_sec(1);
         l.set_read_iops_sec_max(UINT64_MAX);
       }},
      {"total_bytes_sec",
       [](v1::IoLimits& l) {
         l.set_total_bytes_sec(1);
         l.set_read_bytes_sec(1);
       }},
      {"total_iops_sec",
       [](v1::IoLimits& l) {
         l.set_total_iops_sec(1);
         l.set_write_iops_sec(1);
       }},
      {"write_bytes_sec_max", [](v1::IoLimits& l) { l.set_write_bytes_sec_max(1); }},
      {"total_iops_sec_max",
       [](v1::IoLimits& l) {
         l.set_total_iops_sec(2);
         l.set_total_iops_sec_max(1);
       }},
      {"read_bytes_sec_max_length",
       [](v1::IoLimits& l) {
         l.set_read_bytes_sec(1);
         l.set_read_bytes_sec_max_length(1);
       }},
      {"read_bytes_sec_max_length",
       [](v1::IoLimits& l) {
         l.set_read_bytes_sec(1);
         l.set_read_bytes_sec_max(1'000'000'000'000);
         l.set_read_bytes_sec_max_length(1001);
       }},
      {"size_iops_sec",
       [](v1::IoLimits& l) {
         l.set_total_bytes_sec(1);
         l.set_size_iops_sec(4096);
       }},
      {"group_name", [](v1::IoLimits& l) { l.set_group_name("gold"); }},
      {"group_name",
       [](v1::IoLimits& l) {
         l.set_total_bytes_sec(1);
         l.set_group_name("gold,silver");
       }},
  };
  for (const auto& c : kCases) {
    v1::VmSpec spec = GuideVm();
    c.set(*spec.mutable_root_disk()->mutable_io_limits());
    EXPECT_THAT(ErrorField(ValidateVmSpec(spec)),
                Optional(std::string("root_disk.io_limits.") + c.field));
    *spec.mutable_volumes(0)->mutable_io_limits() = spec.root_disk().io_limits();
    spec.mutable_root_disk()->clear_io_limits();
    EXPECT_THAT(ErrorField(ValidateVmSpec(spec)),
                Optional(std::string("volumes[0].io_limits.") + c.field));
  }
}

TEST(ValidateDisksTest, DisksOfOneGroupStateTheSameLimits) {
  v1::VmSpec spec = GuideVm();
  v1::IoLimits& limits = *spec.mutable_root_disk()->mutable_io_limits();
  limits.set_total_bytes_sec(7);
  limits.set_group_name("gold");
  *spec.mutable_volumes(0)->mutable_io_limits() = limits;
  EXPECT_EQ(ValidateVmSpec(spec), absl::OkStatus());
  spec.mutable_volumes(0)->mutable_io_limits()->set_total_bytes_sec(8);
  EXPECT_THAT(ErrorField(ValidateVmSpec(spec)), Optional(std::string("volumes[0].io_limits")));
}

TEST(NormalizeDisksTest, FillsInWhatDisksLeftOut) {
  v1::VmSpec spec = With([](v1::VmSpec& s) {
    s.clear_root_disk();
    s.mutable_root_disk()->set_volume("00000000-0000-4000-8000-00000000000A");
    s.mutable_root_disk()->set_serial("00000000-0000-4000-8000-00000000000a");
    s.mutable_volumes(0)->clear_cache();
    s.mutable_volumes(0)->set_shareable(true);
    s.mutable_volumes(0)->set_serial("af7ce6b7-12c2-4bdf-933c-884a4f514617");
    s.mutable_volumes(0)->mutable_io_limits();
  });
  const v1::VmSpec full = Normalize(spec);
  EXPECT_EQ(full.root_disk().volume(), "00000000-0000-4000-8000-00000000000a");
  EXPECT_EQ(full.root_disk().serial(), "") << "a volume's id is its serial anyway";
  EXPECT_EQ(full.root_disk().bus(), v1::VIRTIO);
  EXPECT_EQ(full.root_disk().boot_order(), 1);
  EXPECT_EQ(full.root_disk().error_policy(), v1::STOP);
  EXPECT_EQ(full.root_disk().read_error_policy(), v1::STOP);
  EXPECT_EQ(full.volumes(0).cache(), v1::NONE);
  EXPECT_EQ(full.volumes(0).serial(), "");
  EXPECT_EQ(full.volumes(0).boot_order(), 0);
  EXPECT_FALSE(full.volumes(0).has_io_limits());
  EXPECT_TRUE(MessageDifferencer::Equals(Normalize(full), full));

  spec.mutable_volumes(0)->set_boot_order(3);
  EXPECT_EQ(Normalize(spec).root_disk().boot_order(), 0);
}

TEST(ResolveDisksTest, CarriesAllOfADiskOver) {
  auto domain = ResolveVm(With([](v1::VmSpec& s) {
                            s.clear_root_disk();
                            v1::RootDisk& root = *s.mutable_root_disk();
                            root.set_volume("00000000-0000-4000-8000-000000000001");
                            root.set_bus(v1::SATA);
                            root.set_boot_order(2);
                            root.set_error_policy(v1::ENOSPACE);
                            root.set_read_error_policy(v1::REPORT);

                            v1::VolumeAttachment& fast = *s.add_volumes();
                            fast = s.volumes(0);
                            fast.set_boot_order(1);
                            fast.set_iothread(2);
                            fast.set_detect_zeroes(v1::UNMAP_ZEROES);
                            v1::IoLimits& gold = *fast.mutable_io_limits();
                            gold.set_total_bytes_sec(100000000);
                            gold.set_total_bytes_sec_max(200000000);
                            gold.set_total_bytes_sec_max_length(5);
                            gold.set_total_iops_sec(1000);
                            gold.set_size_iops_sec(65536);
                            gold.set_group_name("gold");

                            v1::VolumeAttachment& shared = *s.mutable_volumes(0);
                            shared.Clear();
                            shared.set_id("00000000-0000-4000-8000-000000000002");
                            shared.set_serial("shared-disk");
                            shared.set_bus(v1::SCSI);
                            shared.set_error_policy(v1::REPORT);
                            shared.set_detect_zeroes(v1::WRITE_ZEROES);
                            shared.set_read_only(true);
                            shared.set_shareable(true);
                            v1::IoLimits& limits = *shared.mutable_io_limits();
                            limits.set_read_bytes_sec(1000000);
                            limits.set_write_bytes_sec(2000000);
                            limits.set_write_bytes_sec_max(4000000);
                            limits.set_read_iops_sec(500);
                            limits.set_read_iops_sec_max(1000);
                            limits.set_read_iops_sec_max_length(10);
                            limits.set_write_iops_sec(600);
                          }),
                          GuidePlacement());
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_TRUE(*domain == DisksSpec());
}

TEST(ResolveDisksTest, DisksOfOneBusStandTogetherAsLibvirtKeepsThem) {
  auto domain = ResolveVm(With([](v1::VmSpec& s) {
                            s.mutable_root_disk()->set_bus(v1::SATA);
                            for (const v1::DiskBus bus : {v1::SCSI, v1::VIRTIO, v1::SATA}) {
                              v1::VolumeAttachment& volume = *s.add_volumes();
                              volume.set_id(kOtherVolume);
                              volume.mutable_id()->back() = static_cast<char>('0' + bus);
                              volume.set_bus(bus);
                            }
                            s.mutable_cloud_init()->set_user_data("x");
                          }),
                          GuidePlacement());
  ASSERT_TRUE(domain.ok()) << domain.status();
  std::vector<std::string> targets;
  for (const RbdDisk& disk : domain->disks) targets.push_back(disk.target);
  EXPECT_THAT(targets, ElementsAre("sda", "sdc", "vda", "vdb", "vdz", "sdb"));
}

TEST(ResolveDisksTest, AnExistingRootDiskIsTheVmsByItsName) {
  for (const v1::ExistingDisk existing : {v1::KEEP, v1::ADOPT}) {
    const v1::VmSpec vm = With([existing](v1::VmSpec& s) {
      s.clear_root_disk();
      s.mutable_root_disk()->set_existing(existing);
    });
    EXPECT_TRUE(*ResolveVm(vm, GuidePlacement()) == GuideSpec());
    EXPECT_EQ(OwnsRootDisk(vm), existing == v1::ADOPT);
  }
  EXPECT_TRUE(OwnsRootDisk(GuideVm()));
}

}  // namespace
}  // namespace hvagent::domain_xml
