// Root disks that are no clones of an image: volumes, and disks that were there before the VM.
#include <string>

#include "agent/reconcile/vm_disks.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/reconcile/volume_users.h"
#include "base/error.h"
#include "domain_xml/domain_xml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::kVmUuid;
using ::hvagent::testing::MemoryNode;
using ::hvagent::testing::RecordOf;

constexpr char kVolume[] = "af7ce6b7-12c2-4bdf-933c-884a4f514617";

const Action kPrepare = {ActionKind::kPrepareRootDisk, ""};
const Action kDefine = {ActionKind::kDefineDomain, ""};
const Action kRemove = {ActionKind::kRemoveRootDisk, ""};

class RootDiskTest : public ::testing::Test {
 protected:
  // The guide's VM with another root disk.
  static state::VmRecord VmOn(const v1::RootDisk& disk) {
    v1::VmSpec spec = GuideVm();
    spec.clear_volumes();
    *spec.mutable_root_disk() = disk;
    return RecordOf(spec);
  }
  static state::VmRecord VmOnVolume() {
    v1::RootDisk disk;
    disk.set_volume(kVolume);
    return VmOn(disk);
  }
  static state::VmRecord VmOnExisting(v1::ExistingDisk existing, uint64_t size_gib = 0) {
    v1::RootDisk disk;
    disk.set_existing(existing);
    disk.set_size_gib(size_gib);
    return VmOn(disk);
  }

  void MakeDisk(const block::ImageName& name) {
    ASSERT_OK(node_.block.CreateImage(name, GiB(2), MiB(4)));
  }
  block::ImageInfo Disk() { return *node_.block.GetImage(node_.RootDisk()); }

  absl::Status Run(const state::VmRecord& vm, const Action& action) {
    ObservedVm observed;
    return node_.worker.Run(vm, action, observed);
  }

  MemoryNode node_;
  const block::ImageName volume_ = {"volumes", "", std::string("volume-") + kVolume};
};

TEST_F(RootDiskTest, AVolumeIsUsedAsItIsAndStaysWhenTheVmGoes) {
  const state::VmRecord vm = VmOnVolume();
  EXPECT_THAT(Run(vm, kPrepare), Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
  MakeDisk(volume_);
  ASSERT_OK(Run(vm, kPrepare));
  EXPECT_EQ(node_.block.GetImage(volume_)->metadata.count(kOwnerKey), 0);
  EXPECT_TRUE(*node_.worker.NothingExists(vm)) << "nothing was made for the VM";
  ASSERT_OK(Run(vm, kDefine));
  const auto domain = domain_xml::Parse(*node_.hypervisor.GetDomainXml(vm.uuid));
  EXPECT_EQ(domain->disks[0].pool, "volumes");
  EXPECT_EQ(domain->disks[0].image, volume_.name);
  ASSERT_OK(Run(vm, kRemove));
  EXPECT_OK(node_.block.GetImage(volume_));
}

TEST_F(RootDiskTest, AVolumeThatAVmBootsFromIsInUse) {
  ASSERT_OK(node_.state->PutVm(VmOnVolume()));
  VolumeUsers users(*node_.state, node_.hypervisor);
  EXPECT_THAT(users.CheckNone(*Uuid::Parse(kVolume)),
              Fails(absl::StatusCode::kFailedPrecondition, "VOLUME_OF_VM"));
}

TEST_F(RootDiskTest, AnExistingDiskMustBeThere) {
  for (const v1::ExistingDisk existing : {v1::KEEP, v1::ADOPT}) {
    EXPECT_THAT(Run(VmOnExisting(existing), kPrepare),
                Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
  }
}

TEST_F(RootDiskTest, ADiskToKeepIsNeitherMarkedNorRemoved) {
  MakeDisk(node_.RootDisk());
  const state::VmRecord vm = VmOnExisting(v1::KEEP);
  ASSERT_OK(Run(vm, kPrepare));
  EXPECT_FALSE(MarkOf(Disk()).has_value());
  ASSERT_OK(Run(vm, kRemove));
  EXPECT_OK(node_.block.GetImage(node_.RootDisk()));
}

TEST_F(RootDiskTest, AnAdoptedDiskIsMarkedGrownAndRemovedWithTheVm) {
  MakeDisk(node_.RootDisk());
  const state::VmRecord vm = VmOnExisting(v1::ADOPT, /*size_gib=*/3);
  ASSERT_OK(Run(vm, kRemove));
  EXPECT_OK(node_.block.GetImage(node_.RootDisk())) << "not ours before it was adopted";
  ASSERT_OK(Run(vm, kPrepare));
  EXPECT_EQ(MarkOf(Disk())->vm, kVmUuid);
  EXPECT_EQ(Disk().size, GiB(3));
  ASSERT_OK(Run(vm, kPrepare)) << "again, after a crash";
  ASSERT_OK(Run(vm, kRemove));
  EXPECT_FALSE(node_.block.GetImage(node_.RootDisk()).ok());
}

TEST_F(RootDiskTest, AnAdoptedDiskKeepsItsSizeWhereNoneIsStated) {
  MakeDisk(node_.RootDisk());
  ASSERT_OK(Run(VmOnExisting(v1::ADOPT), kPrepare));
  EXPECT_EQ(Disk().size, GiB(2));
  EXPECT_EQ(ErrorField(Run(VmOnExisting(v1::ADOPT, 1), kPrepare)), "root_disk.size_gib");
}

TEST_F(RootDiskTest, ADiskOfAnotherVmIsNotAdopted) {
  MakeDisk(node_.RootDisk());
  ASSERT_OK(node_.block.AmendImage(node_.RootDisk(), {.metadata = {{kOwnerKey, "another node"}}}));
  EXPECT_THAT(Run(VmOnExisting(v1::ADOPT), kPrepare),
              Fails(absl::StatusCode::kAlreadyExists, "ROOT_DISK_NOT_OURS"));
}

}  // namespace
}  // namespace hvagent::reconcile
