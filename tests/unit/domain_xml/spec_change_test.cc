#include "domain_xml/spec_change.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/domain_xml/guide_vm.h"

namespace hvagent::domain_xml {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kSecondVolume[] = "00000000-0000-4000-8000-000000000002";

// "volumes[1] ADDED HOT"
std::vector<std::string> Summaries(const v1::VmSpec& from, const v1::VmSpec& to) {
  std::vector<std::string> lines;
  for (const SpecChange& change : CompareSpecs(from, to)) {
    const char* kind = change.kind == SpecChange::Kind::kAdded     ? " ADDED "
                       : change.kind == SpecChange::Kind::kRemoved ? " REMOVED "
                                                                   : " ";
    lines.push_back(change.path + kind + ConsequenceName(change.consequence));
    EXPECT_FALSE(change.how.empty()) << change.path;
  }
  return lines;
}

v1::VmSpec WithTwoVolumes() {
  return With([](v1::VmSpec& s) { s.add_volumes()->set_id(kSecondVolume); });
}

TEST(CompareSpecsTest, SaysWhatEachChangeMeans) {
  const struct {
    const char* summary;
    Change change;
  } kCases[] = {
      {"uuid REFUSED", [](v1::VmSpec& s) { s.set_uuid("00000000-0000-4000-8000-000000000009"); }},
      {"name REFUSED", [](v1::VmSpec& s) { s.set_name("other"); }},
      {"node RECORD_ONLY", [](v1::VmSpec& s) { s.set_node("compute-2"); }},
      {"vcpus PENDING_RESTART", [](v1::VmSpec& s) { s.set_vcpus(2); }},
      {"memory_mib PENDING_RESTART", [](v1::VmSpec& s) { s.set_memory_mib(512); }},
      {"root_disk.image REFUSED", [](v1::VmSpec& s) { s.mutable_root_disk()->set_image("b"); }},
      {"root_disk.size_gib HOT", [](v1::VmSpec& s) { s.mutable_root_disk()->set_size_gib(2); }},
      {"root_disk.cache PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_root_disk()->set_cache(v1::NONE); }},
      {"root_disk.io_limits.total_iops_sec PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_root_disk()->mutable_io_limits()->set_total_iops_sec(9); }},
      {"volumes[0].io_limits.read_bytes_sec PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_volumes(0)->mutable_io_limits()->set_read_bytes_sec(9); }},
      {"root_disk.bus PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_root_disk()->set_bus(v1::SCSI); }},
      {"volumes[0].read_only PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_volumes(0)->set_read_only(true); }},
      {"volumes[1] ADDED HOT", [](v1::VmSpec& s) { s.add_volumes()->set_id(kSecondVolume); }},
      {"volumes[0] REMOVED HOT", [](v1::VmSpec& s) { s.clear_volumes(); }},
      {"volumes[0].cache PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_volumes(0)->set_cache(v1::NONE); }},
      {"nics[0] REMOVED PENDING_RESTART", [](v1::VmSpec& s) { s.clear_nics(); }},
      {"nics[0].bridge PENDING_RESTART", [](v1::VmSpec& s) { s.mutable_nics(0)->set_bridge("b"); }},
      {"nics[0].link_down PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_nics(0)->set_link_down(true); }},
      {"nics[0].filter.name PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_nics(0)->mutable_filter()->set_name("no-mac-spoofing"); }},
      {"balloon.max_memory_mib PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_balloon()->set_max_memory_mib(512); }},
      {"guest_agent PENDING_RESTART", [](v1::VmSpec& s) { s.set_guest_agent(false); }},
      {"vnc PENDING_RESTART", [](v1::VmSpec& s) { s.set_vnc(v1::VNC_SOCKET); }},
      {"placement.hugepage_kib PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_placement()->set_hugepage_kib(2048); }},
      {"tags[team] ADDED RECORD_ONLY", [](v1::VmSpec& s) { (*s.mutable_tags())["team"] = "a"; }},
      {"cloud_init.user_data REFUSED",
       [](v1::VmSpec& s) { s.mutable_cloud_init()->set_user_data("x"); }},
      {"machine PENDING_RESTART", [](v1::VmSpec& s) { s.set_machine("q35"); }},
      {"firmware PENDING_RESTART", [](v1::VmSpec& s) { s.set_firmware(v1::UEFI); }},
      {"cpu.mode PENDING_RESTART",
       [](v1::VmSpec& s) { s.mutable_cpu()->set_mode(v1::HOST_MODEL); }},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(Summaries(GuideVm(), With(c.change)), ElementsAre(c.summary));
  }
}

TEST(CompareSpecsTest, AVmKeepsItsRootDisk) {
  const auto with_root = [](const std::function<void(v1::RootDisk&)>& set) {
    return With([&](v1::VmSpec& s) {
      s.clear_root_disk();
      set(*s.mutable_root_disk());
    });
  };
  const v1::VmSpec volume = with_root([](v1::RootDisk& r) { r.set_volume(kSecondVolume); });
  const v1::VmSpec kept = with_root([](v1::RootDisk& r) { r.set_existing(v1::KEEP); });
  const v1::VmSpec adopted = with_root([](v1::RootDisk& r) { r.set_existing(v1::ADOPT); });
  EXPECT_THAT(Summaries(volume, kept),
              ElementsAre("root_disk.volume REFUSED", "root_disk.existing REFUSED"));
  EXPECT_THAT(Summaries(kept, adopted), ElementsAre("root_disk.existing REFUSED"));

  v1::VmSpec grown = adopted;
  grown.mutable_root_disk()->set_size_gib(9);
  EXPECT_THAT(Summaries(adopted, grown), ElementsAre("root_disk.size_gib HOT"));
  EXPECT_THAT(Summaries(grown, adopted), ElementsAre("root_disk.size_gib RECORD_ONLY"));
}

TEST(CompareSpecsTest, SomeVolumesAreAttachedOnlyAtTheNextStart) {
  const auto add = [](const std::function<void(v1::VolumeAttachment&)>& set) {
    return [set](v1::VmSpec& s) {
      v1::VolumeAttachment& volume = *s.add_volumes();
      volume.set_id(kSecondVolume);
      set(volume);
    };
  };
  const Change sata = add([](v1::VolumeAttachment& v) { v.set_bus(v1::SATA); });
  const Change scsi = add([](v1::VolumeAttachment& v) { v.set_bus(v1::SCSI); });
  const Change threaded = add([](v1::VolumeAttachment& v) { v.set_iothread(1); });
  const Change bootable = add([](v1::VolumeAttachment& v) { v.set_boot_order(2); });
  for (const Change& change : {sata, scsi, threaded}) {
    EXPECT_THAT(Summaries(GuideVm(), With(change)),
                ElementsAre("volumes[1] ADDED PENDING_RESTART"));
  }
  // The root disk boots only where nothing else is said to.
  EXPECT_THAT(
      Summaries(GuideVm(), With(bootable)),
      ElementsAre("root_disk.boot_order PENDING_RESTART", "volumes[1] ADDED PENDING_RESTART"));
  EXPECT_THAT(Summaries(With(sata), GuideVm()), ElementsAre("volumes[1] REMOVED PENDING_RESTART"));

  // What the guest has already serves the new volume too.
  const auto on_scsi = [](v1::VmSpec& s) { s.mutable_root_disk()->set_bus(v1::SCSI); };
  EXPECT_THAT(Summaries(With(on_scsi), With([&](v1::VmSpec& s) {
                          on_scsi(s);
                          scsi(s);
                        })),
              ElementsAre("volumes[1] ADDED HOT"));
  const auto with_thread = [](v1::VmSpec& s) { s.mutable_root_disk()->set_iothread(1); };
  EXPECT_THAT(Summaries(With(with_thread), With([&](v1::VmSpec& s) {
                          with_thread(s);
                          threaded(s);
                        })),
              ElementsAre("volumes[1] ADDED HOT"));
}

TEST(CompareSpecsTest, MemoryWaitsForTheNextStart) {
  const auto memory = [](uint64_t mib, uint64_t max_mib) {
    return With([&](v1::VmSpec& s) {
      s.set_memory_mib(mib);
      s.mutable_balloon()->set_max_memory_mib(max_mib);
    });
  };
  EXPECT_THAT(Summaries(memory(512, 1024), memory(256, 1024)),
              ElementsAre("memory_mib PENDING_RESTART"));
  EXPECT_THAT(Summaries(memory(512, 1024), memory(1024, 1024)),
              ElementsAre("memory_mib PENDING_RESTART"));
  EXPECT_THAT(Summaries(memory(1024, 0), memory(512, 1024)),
              ElementsAre("memory_mib PENDING_RESTART"));
  EXPECT_THAT(Summaries(memory(512, 1024), memory(1024, 2048)),
              ElementsAre("memory_mib PENDING_RESTART", "balloon.max_memory_mib PENDING_RESTART"));
}

TEST(CompareSpecsTest, TagsAreKnownByTheirKeys) {
  v1::VmSpec from = GuideVm();
  (*from.mutable_tags())["a"] = "1";
  (*from.mutable_tags())["b"] = "1";
  v1::VmSpec to = GuideVm();
  (*to.mutable_tags())["b"] = "2";
  EXPECT_THAT(Summaries(from, to),
              UnorderedElementsAre("tags[a] REMOVED RECORD_ONLY", "tags[b] RECORD_ONLY"));
}

TEST(CompareSpecsTest, ADiskDoesNotShrink) {
  EXPECT_THAT(
      Summaries(With([](v1::VmSpec& s) { s.mutable_root_disk()->set_size_gib(2); }), GuideVm()),
      ElementsAre("root_disk.size_gib REFUSED"));
}

TEST(CompareSpecsTest, FindsNothingInTheSameWishOrAnotherPowerState) {
  EXPECT_THAT(Summaries(GuideVm(), With([](v1::VmSpec& s) {
                          s.set_power_state(v1::STOPPED);
                          s.mutable_root_disk()->clear_cache();
                          s.mutable_nics(0)->clear_model();
                          s.set_machine("pc");
                        })),
              IsEmpty());
}

TEST(CompareSpecsTest, AVolumeIsKnownByItsIdAndNotByItsPlace) {
  const v1::VmSpec without_first = With([](v1::VmSpec& s) {
    s.mutable_volumes(0)->Clear();
    s.mutable_volumes(0)->set_id(kSecondVolume);
  });
  EXPECT_THAT(Summaries(WithTwoVolumes(), without_first), ElementsAre("volumes[0] REMOVED HOT"));
  EXPECT_THAT(Summaries(without_first, WithTwoVolumes()), ElementsAre("volumes[0] ADDED HOT"));
  EXPECT_THAT(Summaries(GuideVm(), without_first),
              ElementsAre("volumes[0] ADDED HOT", "volumes[0] REMOVED HOT"));
}

TEST(CompareSpecsTest, AnotherOrderWaitsForTheNextStart) {
  v1::VmSpec swapped = WithTwoVolumes();
  swapped.mutable_volumes()->SwapElements(0, 1);
  EXPECT_THAT(Summaries(WithTwoVolumes(), swapped), ElementsAre("volumes PENDING_RESTART"));

  const auto add_nic = [](v1::VmSpec& s) {
    *s.add_nics() = s.nics(0);
    s.mutable_nics(1)->set_mac("52:54:00:00:00:02");
  };
  v1::VmSpec swapped_nics = With(add_nic);
  swapped_nics.mutable_nics()->SwapElements(0, 1);
  EXPECT_THAT(Summaries(With(add_nic), swapped_nics), ElementsAre("nics PENDING_RESTART"));
}

TEST(CompareSpecsTest, CpuFeaturesAreKnownByTheirNames) {
  const auto with_features = [](std::vector<std::string> names) {
    return With([&](v1::VmSpec& s) {
      s.mutable_cpu()->set_mode(v1::HOST_MODEL);
      for (const std::string& name : names) s.mutable_cpu()->add_features()->set_name(name);
    });
  };
  EXPECT_THAT(Summaries(with_features({"a", "b"}), with_features({"b", "a"})), IsEmpty());
  EXPECT_THAT(Summaries(with_features({"a", "b"}), with_features({"b"})),
              ElementsAre("cpu.features[0] REMOVED PENDING_RESTART"));
}

}  // namespace
}  // namespace hvagent::domain_xml
