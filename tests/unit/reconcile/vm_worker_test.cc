#include "agent/reconcile/vm_worker.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/secret_use.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using block::SnapshotName;
using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::kImageId;
using ::hvagent::testing::kVmUuid;
using ::hvagent::testing::MemoryNode;
using ::hvagent::testing::RecordOf;
using ::testing::HasSubstr;

const Action kPrepare = {ActionKind::kPrepareRootDisk, ""};
const Action kDefine = {ActionKind::kDefineDomain, ""};
const Action kPrepareDrive = {ActionKind::kPrepareConfigDrive, ""};
const Action kRemoveDrive = {ActionKind::kRemoveConfigDrive, ""};
const Action kRemoveDisk = {ActionKind::kRemoveRootDisk, ""};

class VmWorkerTest : public ::testing::Test {
 protected:
  absl::Status Run(const Action& action) { return node_.worker.Run(vm_, action, observed_); }
  bool DiskExists() { return node_.block.GetImage(node_.RootDisk()).ok(); }

  // A rotation: guests start as client.vm.g2 from now on.
  state::SecretBinding SupersedeSecret() {
    state::SecretBinding old = **node_.state->GetSecret("client.cinder");
    old.superseded_by = "client.vm.g2";
    EXPECT_OK(node_.state->PutSecret(old));
    const state::SecretBinding next = {.entity = "client.vm.g2",
                                       .uuid = Uuid::Random(),
                                       .usage = "client.vm.g2 secret",
                                       .fingerprint = "ab",
                                       .generation_unix_s = 7};
    EXPECT_OK(node_.state->PutSecret(next));
    return next;
  }

  MemoryNode node_;
  state::VmRecord vm_ = RecordOf(GuideVm());
  ObservedVm observed_;
  const SnapshotName golden_ = {{"images", "", kImageId}, "snap"};
};

TEST_F(VmWorkerTest, ClonesGrowsAndMarksTheRootDisk) {
  ASSERT_OK(Run(kPrepare));
  const auto disk = node_.block.GetImage(node_.RootDisk());
  ASSERT_OK(disk);
  EXPECT_EQ(disk->parent, golden_);
  EXPECT_EQ(disk->size, GiB(1));
  EXPECT_EQ(disk->metadata.at(kOwnerKey), absl::StrCat(kVmUuid, " ", vm_.spec.node()));
}

TEST_F(VmWorkerTest, LooksAtADomainThatHasItsNameInTwoCalls) {
  ASSERT_OK(Run(kPrepare));
  ASSERT_OK(Run(kDefine));
  const uint64_t before = node_.faults.calls();
  const auto observed = node_.worker.Observe(vm_);
  ASSERT_OK(observed);
  EXPECT_TRUE(observed->domain_is_ours);
  EXPECT_EQ(node_.faults.calls() - before, 2);
}

TEST_F(VmWorkerTest, FinishesACloneThatWasMadeJustBeforeACrash) {
  ASSERT_OK(node_.block.CloneImage(golden_, node_.RootDisk()));
  ASSERT_OK(Run(kPrepare));
  EXPECT_EQ(node_.block.GetImage(node_.RootDisk())->size, GiB(1));
}

TEST_F(VmWorkerTest, RefusesADiskThatWasThereBeforeTheVm) {
  ASSERT_OK(node_.block.CloneImage(golden_, node_.RootDisk()));
  vm_.create_time = SystemClock().Now() + absl::Minutes(1);
  EXPECT_THAT(Run(kPrepare), Fails(absl::StatusCode::kAlreadyExists, "ROOT_DISK_NOT_OURS"));
  ASSERT_OK(Run(kRemoveDisk));
  EXPECT_TRUE(DiskExists()) << "what we did not make is not removed";
}

TEST_F(VmWorkerTest, RefusesADiskOfAnotherVm) {
  ASSERT_OK(node_.block.CloneImage(golden_, node_.RootDisk()));
  ASSERT_OK(node_.block.AmendImage(node_.RootDisk(), {.metadata = {{kOwnerKey, "another"}}}));
  EXPECT_THAT(Run(kPrepare), Fails(absl::StatusCode::kAlreadyExists, "ROOT_DISK_NOT_OURS"));
}

// A VM with cloud-init, and its drive.
class ConfigDriveTest : public VmWorkerTest {
 protected:
  ConfigDriveTest() { vm_.spec.mutable_cloud_init()->set_user_data("#cloud-config\n"); }

  block::ImageName Drive() { return {"vms", "", std::string(kVmUuid) + "_disk.config"}; }
  std::string Content() { return *node_.block.ReadImage(Drive(), 0, 4 << 20); }
};

TEST_F(ConfigDriveTest, HoldsTheFilesAndIsMarkedOnceItIsWhole) {
  ASSERT_OK(Run(kPrepareDrive));
  const auto drive = node_.block.GetImage(Drive());
  ASSERT_OK(drive);
  EXPECT_EQ(drive->metadata.at(kOwnerKey), absl::StrCat(kVmUuid, " ", vm_.spec.node()));
  EXPECT_THAT(Content(), HasSubstr("#cloud-config\n"));
}

TEST_F(ConfigDriveTest, IsAReadOnlyDiskOfTheDomain) {
  ASSERT_OK(Run(kDefine));
  const auto domain = domain_xml::Parse(*node_.hypervisor.GetDomainXml(vm_.uuid));
  ASSERT_OK(domain);
  const domain_xml::RbdDisk& drive = domain->disks.back();
  EXPECT_EQ(drive.image, Drive().name);
  EXPECT_EQ(drive.target, "vdz");
  EXPECT_TRUE(drive.read_only);
}

TEST_F(ConfigDriveTest, IsWrittenAgainAfterACrashInTheMiddle) {
  ASSERT_OK(node_.block.CreateImage(Drive(), Bytes(2048), MiB(4)));
  ASSERT_OK(Run(kPrepareDrive));
  EXPECT_THAT(Content(), HasSubstr("#cloud-config\n"));
}

TEST_F(ConfigDriveTest, WhicheverCephCallFailsTheSameActionAgainFinishesIt) {
  for (const auto effect :
       {block::MemoryBlockStore::Effect::kNone, block::MemoryBlockStore::Effect::kDone}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(nth);
      ASSERT_OK(Run(kRemoveDrive));
      node_.block.FailNth(nth, absl::DeadlineExceededError("no answer"), effect);
      const absl::Status first = Run(kPrepareDrive);
      if (node_.block.FailurePending()) {
        ASSERT_OK(first);
        node_.block.FailNth(0, absl::OkStatus());
        break;
      }
      ASSERT_OK(Run(kPrepareDrive));
      EXPECT_THAT(Content(), HasSubstr("#cloud-config\n"));
    }
  }
}

TEST_F(ConfigDriveTest, WhatWasThereBeforeTheVmIsRefusedAndNotRemoved) {
  ASSERT_OK(node_.block.CreateImage(Drive(), MiB(1), MiB(4)));
  vm_.create_time = SystemClock().Now() + absl::Minutes(1);
  EXPECT_THAT(Run(kPrepareDrive), Fails(absl::StatusCode::kAlreadyExists, "CONFIG_DRIVE_NOT_OURS"));
  ASSERT_OK(Run(kRemoveDrive));
  EXPECT_OK(node_.block.GetImage(Drive()));
}

TEST_F(VmWorkerTest, UnknownImageNamesTheFieldAndLeavesNothing) {
  vm_.spec.mutable_root_disk()->set_image("no-such-image");
  const absl::Status status = Run(kPrepare);
  EXPECT_THAT(status, Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("root_disk.image"));
  EXPECT_FALSE(DiskExists());
}

TEST_F(VmWorkerTest, ImageWithoutTheSnapshotLeavesNothing) {
  ASSERT_OK(node_.block.CreateImage({"images", "", "bare"}, MiB(40), MiB(8)));
  vm_.spec.mutable_root_disk()->set_image("bare");
  EXPECT_THAT(Run(kPrepare), Fails(absl::StatusCode::kNotFound, "SNAPSHOT_NOT_FOUND"));
  EXPECT_FALSE(DiskExists());
}

TEST_F(VmWorkerTest, UnprotectedSnapshotLeavesNothing) {
  ASSERT_OK(node_.block.SetProtected(golden_, false));
  const absl::Status status = Run(kPrepare);
  EXPECT_THAT(status, Fails(absl::StatusCode::kFailedPrecondition, "SNAPSHOT_NOT_PROTECTED"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("root_disk.image"));
  EXPECT_FALSE(DiskExists());
}

TEST_F(VmWorkerTest, SizeUnderTheImagesLeavesNothing) {
  node_.AddImage("large", GiB(2));
  vm_.spec.mutable_root_disk()->set_image("large");
  const absl::Status status = Run(kPrepare);
  EXPECT_EQ(ErrorField(status), "root_disk.size_gib");
  EXPECT_FALSE(DiskExists());
}

TEST_F(VmWorkerTest, WithoutTheSecretNothingIsDefined) {
  MemoryNode node;
  node.state = *state::StateStore::Open(":memory:");
  VmWorker worker({.node_name = "compute-1"}, node.hypervisor, node.block, node.registry,
                  *node.state);
  const absl::Status status = worker.Run(vm_, kDefine, observed_);
  EXPECT_THAT(status, Fails(absl::StatusCode::kFailedPrecondition, "SECRET_NOT_SYNCED"));
  EXPECT_FALSE(node.HasDomain());
}

TEST_F(VmWorkerTest, DefinesWithTheSecretThatSupersedesTheConfiguredOneAndSaysSo) {
  const state::SecretBinding next = SupersedeSecret();
  ASSERT_OK(Run(kDefine));
  const auto domain = domain_xml::Parse(*node_.hypervisor.GetDomainXml(vm_.uuid));
  ASSERT_OK(domain);
  EXPECT_EQ(domain->disks.front().auth,
            (domain_xml::CephAuth{.username = "vm.g2", .secret_uuid = next.uuid}));
  EXPECT_EQ(domain->mark.secret,
            (domain_xml::SecretStamp{
                .entity = "client.vm.g2", .fingerprint = "ab", .generation_unix_s = 7}));
}

TEST_F(VmWorkerTest, FindsTheDefinitionStaleOnceTheSecretIsAnother) {
  ASSERT_OK(Run(kDefine));
  EXPECT_FALSE(node_.worker.Observe(vm_)->definition_is_stale);
  SupersedeSecret();
  EXPECT_TRUE(node_.worker.Observe(vm_)->definition_is_stale);
  ASSERT_OK(Run(kDefine));
  EXPECT_FALSE(node_.worker.Observe(vm_)->definition_is_stale);
}

TEST_F(VmWorkerTest, FindsTheDefinitionStaleOnceTheSecretHasAnotherKey) {
  ASSERT_OK(Run(kDefine));
  state::SecretBinding secret = **node_.state->GetSecret("client.cinder");
  secret.fingerprint = "cd";
  ASSERT_OK(node_.state->PutSecret(secret));
  EXPECT_TRUE(node_.worker.Observe(vm_)->definition_is_stale);
}

TEST_F(VmWorkerTest, FindsTheDefinitionStaleWhenItNamesAnotherSecretUnderTheRightStamp) {
  ASSERT_OK(Run(kDefine));
  const Uuid right = (*node_.state->GetSecret("client.cinder"))->uuid;
  const auto definition = node_.hypervisor.GetDefinition(vm_.uuid);
  const auto changed = domain_xml::ReplaceSecret(definition->Reveal(), right, "", Uuid::Random());
  ASSERT_OK(node_.hypervisor.DefineDomain(**changed));
  EXPECT_TRUE(node_.worker.Observe(vm_)->definition_is_stale);
}

TEST_F(VmWorkerTest, NeverFindsARunningGuestStale) {
  ASSERT_OK(Run(kPrepare));
  ASSERT_OK(Run(kDefine));
  ASSERT_OK(node_.hypervisor.StartDomain(vm_.uuid));
  SupersedeSecret();
  EXPECT_FALSE(node_.worker.Observe(vm_)->definition_is_stale);
  ASSERT_OK(node_.hypervisor.DestroyDomain(vm_.uuid));
  EXPECT_TRUE(node_.worker.Observe(vm_)->definition_is_stale);
}

TEST_F(VmWorkerTest, LooksForAStaleDefinitionWithoutAnotherCallToLibvirtOrCeph) {
  ASSERT_OK(Run(kPrepare));
  ASSERT_OK(Run(kDefine));
  const auto calls_of_a_look = [&] {
    const uint64_t before = node_.faults.calls();
    EXPECT_OK(node_.worker.Observe(vm_));
    return node_.faults.calls() - before;
  };
  node_.block.SetHealth(absl::UnavailableError("no Ceph"));
  const uint64_t calls_when_shut_off = calls_of_a_look();
  ASSERT_OK(node_.hypervisor.StartDomain(vm_.uuid));
  EXPECT_EQ(calls_of_a_look(), calls_when_shut_off);
}

TEST_F(VmWorkerTest, TellsOurDomainFromAForeignOneWithTheSameUuid) {
  ASSERT_OK(Run(kDefine));
  EXPECT_TRUE(node_.worker.Observe(vm_)->domain_is_ours);

  MemoryNode other;
  other.hypervisor.AddForeignDomain({vm_.uuid, "legacy", hypervisor::DomainState::kRunning, true},
                                    "<domain type='qemu'><name>legacy</name></domain>");
  const auto observed = other.worker.Observe(vm_);
  ASSERT_OK(observed);
  EXPECT_TRUE(observed->domain.has_value());
  EXPECT_FALSE(observed->domain_is_ours);
}

TEST_F(VmWorkerTest, ADiskThatIsStillWatchedIsRemovedLater) {
  ASSERT_OK(Run(kPrepare));
  node_.block.AddWatcher(node_.RootDisk(), "10.0.0.9:0/123");
  const absl::Status status = Run(kRemoveDisk);
  EXPECT_TRUE(IsRetryable(status)) << status;
  node_.block.RemoveWatcher("10.0.0.9:0/123");
  EXPECT_OK(Run(kRemoveDisk));
  EXPECT_FALSE(DiskExists());
}

}  // namespace
}  // namespace hvagent::reconcile
