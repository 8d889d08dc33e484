#include "agent/leftovers/leftovers.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/block/memory_object_store.h"
#include "agent/block/trash_mark.h"
#include "agent/operations/image_delete.h"
#include "agent/operations/volume_catalog.h"
#include "agent/reconcile/vm_disks.h"
#include "base/error.h"
#include "domain_xml/domain_xml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::leftovers {
namespace {

using ::hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const char kVm[] = "11111111-0414-4b58-9924-af681091be09";
const char kOperation[] = "22222222-0414-4b58-9924-af681091be09";
const char kVolume[] = "33333333-0414-4b58-9924-af681091be09";
const char kClone[] = "44444444-0414-4b58-9924-af681091be09";
const char kClient[] = "10.0.0.1:0/7";

v1::RemoveLeftoverRequest Named(const block::ImageName& name, const std::string& snapshot = "") {
  v1::RemoveLeftoverRequest request;
  request.set_pool(name.pool);
  request.set_name(name.name);
  request.set_snapshot(snapshot);
  return request;
}

class LeftoversTest : public ::testing::Test {
 protected:
  LeftoversTest() {
    for (const char* pool : {"volumes", "backups"}) block_.CreatePool(pool);
    objects_.CreatePool("backups");
  }

  void Make(const block::ImageName& name) { ASSERT_OK(block_.CreateImage(name, MiB(8), MiB(4))); }
  void MakeMarked(const block::ImageName& name, const std::string& key, const std::string& value) {
    Make(name);
    ASSERT_OK(block_.AmendImage(name, {.metadata = {{key, value}}}));
  }
  void MakeDisk(const std::string& suffix = "") {
    MakeMarked({"vms", "", disk_ + suffix}, "hvagent.vm", absl::StrCat(kVm, " compute-2"));
  }
  void MakeVolume() { MakeMarked(volume_, operations::kVolumeKey, kVolume); }

  std::vector<v1::Leftover> ListAll(size_t limit = 100) {
    std::vector<v1::Leftover> all;
    std::string token;
    do {
      const auto page = leftovers_.List(token, limit);
      EXPECT_OK(page);
      all.insert(all.end(), page->leftovers().begin(), page->leftovers().end());
      token = page->next_page_token();
    } while (!token.empty());
    return all;
  }
  // "pool/name", "pool/name@snapshot"
  std::vector<std::string> List(size_t limit = 100) {
    std::vector<std::string> names;
    for (const v1::Leftover& leftover : ListAll(limit)) {
      names.push_back(absl::StrCat(leftover.pool(), "/", leftover.name(),
                                   leftover.snapshot().empty() ? "" : "@", leftover.snapshot()));
    }
    return names;
  }
  void AddVm() {
    state::VmRecord vm{.uuid = *Uuid::Parse(kVm)};
    vm.spec.set_uuid(kVm);
    vm.spec.set_name("web-1");
    ASSERT_OK(node_.state->PutVm(vm));
  }
  void BeginOperation() {
    v1::Operation operation;
    operation.set_id(kOperation);
    operation.set_state(v1::Operation::RUNNING);
    ASSERT_OK(node_.state->PutOperation(operation));
  }
  // The guide's VM, with its root disk.
  void StartGuest() {
    const state::VmRecord vm = testing::RecordOf(testing::GuideVm());
    ASSERT_OK(node_.state->PutVm(vm));
    const block::ImageName disk = node_.RootDisk();
    MakeMarked(disk, "hvagent.vm", absl::StrCat(testing::kVmUuid, " compute-1"));
    const auto domain = node_.worker.Resolve(vm.spec, 1);
    ASSERT_OK(domain);
    ASSERT_OK(node_.hypervisor.DefineDomain(*domain_xml::Render(*domain)));
    ASSERT_OK(node_.hypervisor.StartDomain(vm.uuid));
  }
  // What a full backup of the volume has made before its first byte.
  void BeginBackup() {
    Make(base_);
    ASSERT_OK(catalog_.SetWriter(base_.name, {kOperation, "compute-2"}));
    ASSERT_OK(block_.CreateSnapshot({volume_, backup_snapshot_}));
    ASSERT_OK(block_.CreateSnapshot({base_, backup_snapshot_}));
  }

  testing::MemoryNode node_;
  block::MemoryBlockStore& block_ = node_.block;
  block::MemoryObjectStore objects_;
  backup::BackupCatalog catalog_{objects_, "backups"};
  const std::string disk_ = absl::StrCat(kVm, "_disk");
  const std::string tag_ = absl::StrCat(kOperation, "-compute-2");
  const std::string staged_ = absl::StrCat("hvagent-import-", tag_);
  const block::ImageName volume_{"volumes", "", absl::StrCat("volume-", kVolume)};
  const block::ImageName base_{"backups", "", absl::StrCat(volume_.name, ".backup.", kOperation)};
  const std::string clone_snapshot_ = absl::StrCat("volume-", kClone, ".clone_snap");
  const std::string backup_snapshot_ = absl::StrCat("backup.", kOperation, ".snap.1600000000");
  Leftovers leftovers_{{.block = block_,
                        .backups = catalog_,
                        .state = *node_.state,
                        .hypervisor = node_.hypervisor,
                        .images_pool = "images",
                        .pools = {"volumes", "vms", "backups"}}};
};

TEST_F(LeftoversTest, ListsWhatAgentsMadeForWhatThisNodeDoesNotKnow) {
  Make({"images", "", "jammy"});
  Make({"images", "", staged_});
  MakeDisk();
  MakeDisk(".config");
  Make({"volumes", "", "hvagent-create-1"});
  Make({"volumes", "", absl::StrCat("hvagent-restore-", tag_)});
  MakeVolume();
  const auto all = ElementsAre(absl::StrCat("images/", staged_), absl::StrCat("vms/", disk_),
                               absl::StrCat("vms/", disk_, ".config"), "volumes/hvagent-create-1",
                               absl::StrCat("volumes/hvagent-restore-", tag_));
  EXPECT_THAT(List(), all);
  EXPECT_THAT(List(1), all);
  EXPECT_EQ(ErrorField(leftovers_.List("elsewhere/x", 1).status()), "page_token");
}

TEST_F(LeftoversTest, SaysWhoseItIsWhoMadeItAndWhoHasItOpen) {
  MakeDisk();
  Make({"images", "", staged_});
  block_.AddWatcher({"vms", "", disk_}, kClient);
  const std::vector<v1::Leftover> all = ListAll();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].owner(), kOperation);
  EXPECT_EQ(all[0].node(), "compute-2");
  EXPECT_EQ(all[1].owner(), kVm);
  EXPECT_EQ(all[1].node(), "compute-2");
  EXPECT_THAT(all[1].watchers(), ElementsAre(kClient));
}

TEST_F(LeftoversTest, DiskWithoutOurMarkIsAnotherPrograms) {
  Make({"vms", "", disk_});
  block_.AddWatcher({"vms", "", disk_}, kClient);
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(leftovers_.Remove(Named({"vms", "", disk_})),
              Fails(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER"));
}

TEST_F(LeftoversTest, WhatThisNodeKnowsIsNeitherListedNorRemoved) {
  MakeDisk();
  ASSERT_OK(block_.CreateSnapshot({{"vms", "", disk_}, absl::StrCat("hvagent-", tag_)}));
  Make({"images", "", staged_});
  MakeVolume();
  BeginBackup();
  AddVm();
  BeginOperation();
  EXPECT_THAT(List(), IsEmpty());
  for (const v1::RemoveLeftoverRequest& request :
       {Named({"vms", "", disk_}), Named({"vms", "", disk_}, absl::StrCat("hvagent-", tag_)),
        Named({"images", "", staged_}), Named(base_), Named(volume_, backup_snapshot_)}) {
    EXPECT_THAT(leftovers_.Remove(request),
                Fails(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER"))
        << request.ShortDebugString();
    EXPECT_OK(block_.GetImage({request.pool(), "", request.name()}));
  }
}

TEST_F(LeftoversTest, RemovesAStagedImageWithItsSnapshot) {
  Make({"images", "", staged_});
  ASSERT_OK(block_.CreateProtectedSnapshot({{"images", "", staged_}, "snap"}));
  EXPECT_OK(leftovers_.Remove(Named({"images", "", staged_})));
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(LeftoversTest, WhatIsOpenIsNotRemoved) {
  MakeDisk();
  block_.AddWatcher({"vms", "", disk_}, kClient);
  EXPECT_THAT(leftovers_.Remove(Named({"vms", "", disk_})),
              Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE"));
}

TEST_F(LeftoversTest, SnapshotOfAVmWhoseOperationIsGoneIsListedBeforeItsDisk) {
  MakeDisk();
  const std::string snapshot = absl::StrCat("hvagent-", tag_);
  ASSERT_OK(block_.CreateProtectedSnapshot({{"vms", "", disk_}, snapshot}));
  ASSERT_OK(block_.CreateSnapshot({{"vms", "", disk_}, "by-hand"}));
  EXPECT_THAT(List(),
              ElementsAre(absl::StrCat("vms/", disk_, "@", snapshot), absl::StrCat("vms/", disk_)));
  EXPECT_THAT(leftovers_.Remove(Named({"vms", "", disk_}, "by-hand")),
              Fails(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER"));
  EXPECT_OK(leftovers_.Remove(Named({"vms", "", disk_}, snapshot)));
  EXPECT_THAT(block_.GetImage({"vms", "", disk_})->snapshots, SizeIs(1));
}

TEST_F(LeftoversTest, CloneSnapshotIsListedOnceNothingIsClonedFromIt) {
  MakeVolume();
  ASSERT_OK(block_.CreateProtectedSnapshot({volume_, clone_snapshot_}));
  const block::ImageName clone{"volumes", "", absl::StrCat("volume-", kClone)};
  ASSERT_OK(block_.CloneImage({volume_, clone_snapshot_}, clone));
  EXPECT_THAT(List(), IsEmpty());
  ASSERT_OK(block_.RemoveImage(clone));
  const std::vector<v1::Leftover> all = ListAll();
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].kind(), v1::Leftover::SNAPSHOT);
  EXPECT_FALSE(all[0].maybe_foreign());
  EXPECT_OK(leftovers_.Remove(Named(volume_, clone_snapshot_)));
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(LeftoversTest, CloneSnapshotOnAnothersVolumeMayBeAnothersAndIsNotRemoved) {
  Make(volume_);
  ASSERT_OK(block_.CreateProtectedSnapshot({volume_, clone_snapshot_}));
  const std::vector<v1::Leftover> all = ListAll();
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_TRUE(all[0].maybe_foreign());
  EXPECT_THAT(leftovers_.Remove(Named(volume_, clone_snapshot_)),
              Fails(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER"));
}

TEST_F(LeftoversTest, VolumeThatNeverCameToBeGoesWithTheSnapshotThatItWasClonedFrom) {
  MakeVolume();
  ASSERT_OK(block_.CreateProtectedSnapshot({volume_, clone_snapshot_}));
  const block::ImageName staged{"volumes", "", "hvagent-create-1"};
  ASSERT_OK(block_.CloneImage({volume_, clone_snapshot_}, staged));
  EXPECT_THAT(List(), ElementsAre("volumes/hvagent-create-1"));
  EXPECT_OK(leftovers_.Remove(Named(staged)));
  EXPECT_THAT(block_.GetImage(volume_)->snapshots, IsEmpty());
}

TEST_F(LeftoversTest, BackupWithoutARecordLeavesItsSnapshotAndItsImage) {
  MakeVolume();
  BeginBackup();
  ASSERT_OK(catalog_.WritePart(kOperation, 0, {}));
  const std::vector<v1::Leftover> all = ListAll();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].snapshot(), backup_snapshot_);
  EXPECT_EQ(all[1].kind(), v1::Leftover::STAGED_BACKUP);
  for (const v1::Leftover& leftover : all) {
    EXPECT_EQ(leftover.owner(), kOperation);
    EXPECT_EQ(leftover.node(), "compute-2");
    EXPECT_OK(
        leftovers_.Remove(Named({leftover.pool(), "", leftover.name()}, leftover.snapshot())));
  }
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(block_.GetImage(base_), Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
  EXPECT_EQ(catalog_.GetWriter(base_.name)->id, "");
  EXPECT_FALSE(catalog_.ReadPart(kOperation, 0)->has_value());
}

TEST_F(LeftoversTest, BackupWithARecordIsNoLeftover) {
  MakeVolume();
  BeginBackup();
  v1::Backup backup;
  backup.set_id(kOperation);
  backup.set_source_image(volume_.ToString());
  backup.set_base(base_.name);
  ASSERT_OK(catalog_.Put(backup));
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(LeftoversTest, BackupsOfCinderAreNotMentioned) {
  MakeVolume();
  Make(base_);
  ASSERT_OK(block_.CreateSnapshot({volume_, backup_snapshot_}));
  ASSERT_OK(block_.CreateSnapshot({base_, backup_snapshot_}));
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(LeftoversTest, TrashShowsWhatAgentsPutThereAndOnlyThatIsRemoved) {
  operations::ImageCatalog images(block_, "images", "compute-1");
  node_.AddImage("jammy", MiB(8));
  node_.AddImage("noble", MiB(8));
  Make({"images", "", "theirs"});
  ASSERT_OK(operations::MoveImageToTrash(images, "jammy", absl::ZeroDuration()));
  ASSERT_OK(operations::MoveImageToTrash(images, "noble", absl::Hours(1)));
  ASSERT_OK(block_.MoveToTrash({"images", "", "theirs"}, absl::ZeroDuration()));
  EXPECT_THAT(List(), UnorderedElementsAre("images/jammy", "images/noble"));
  EXPECT_THAT(List(1), UnorderedElementsAre("images/jammy", "images/noble"));
  for (const v1::Leftover& leftover : ListAll()) {
    v1::RemoveLeftoverRequest request = Named({"images", "", leftover.name()});
    request.set_trash_id(leftover.trash_id());
    const absl::Status removed = leftovers_.Remove(request);
    EXPECT_EQ(ErrorReason(removed).value_or(""), leftover.name() == "jammy" ? "" : "TRASH_KEPT");
  }
  EXPECT_THAT(List(), ElementsAre("images/noble"));
  const auto trash = block_.ListTrash("images", "", 10);
  ASSERT_OK(trash);
  for (const block::TrashedImage& trashed : *trash) {
    if (trashed.name != "theirs") continue;
    v1::RemoveLeftoverRequest request = Named({"images", "", "theirs"});
    request.set_trash_id(trashed.id);
    EXPECT_THAT(leftovers_.Remove(request),
                Fails(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER"));
  }
}

TEST_F(LeftoversTest, DisksOfDeletedVmsAreInTheTrashOrKeptAndNeitherIsAnOrphan) {
  const std::string vm = Uuid::Random().ToString();
  const block::ImageName trashed = {"vms", "", vm + "_disk.config"};
  const block::ImageName kept = {"vms", "", vm + "_disk"};
  Make(trashed);
  Make(kept);
  ASSERT_OK(block_.AmendImage(trashed, {.metadata = {{block::kTrashKey, trashed.name}}}));
  ASSERT_OK(block_.MoveToTrash(trashed, absl::Hours(1)));
  ASSERT_OK(block_.AmendImage(kept, {.metadata = {{reconcile::kKeptKey, vm + " compute-1"}}}));
  std::map<std::string, v1::Leftover> found;
  for (const v1::Leftover& leftover : ListAll()) found[leftover.name()] = leftover;
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[trashed.name].kind(), v1::Leftover::TRASHED_IMAGE);
  EXPECT_EQ(found[trashed.name].pool(), "vms");
  EXPECT_EQ(found[kept.name].kind(), v1::Leftover::KEPT_DISK);
  EXPECT_EQ(found[kept.name].owner(), vm);
  EXPECT_EQ(found[kept.name].node(), "compute-1");
  EXPECT_THAT(leftovers_.Remove(Named(kept)),
              Fails(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER"));
  v1::RemoveLeftoverRequest request = Named(trashed);
  request.set_trash_id(found[trashed.name].trash_id());
  EXPECT_THAT(leftovers_.Remove(request),
              Fails(absl::StatusCode::kFailedPrecondition, "TRASH_KEPT"));
}

TEST_F(LeftoversTest, ImageOfOursThatAStrangerHasOpenIsListedAndNotRemoved) {
  MakeVolume();
  block_.AddWatcher(volume_, kClient);
  const std::vector<v1::Leftover> all = ListAll();
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].kind(), v1::Leftover::OPEN_IMAGE);
  EXPECT_THAT(all[0].watchers(), ElementsAre(kClient));
  EXPECT_THAT(leftovers_.Remove(Named(volume_)),
              Fails(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER"));
}

TEST_F(LeftoversTest, ImageThatThisAgentOrAGuestHereHasOpenIsNotListed) {
  MakeVolume();
  const auto writer = block_.OpenWriter(volume_);
  ASSERT_OK(writer);
  EXPECT_THAT(List(), IsEmpty());
  v1::FindOwnersRequest request;
  *request.add_watchers() = kClient;
  *request.add_watchers() = block_.ListWatchers(volume_)->front();
  EXPECT_THAT(leftovers_.FindOwners(request)->own_watchers(),
              ElementsAre(block_.ListWatchers(volume_)->front()));

  StartGuest();
  EXPECT_THAT(List(), IsEmpty());
  request.Clear();
  for (const block::ImageName& name : {volume_, node_.RootDisk()}) {
    v1::ImageName& image = *request.add_images();
    image.set_pool(name.pool);
    image.set_name(name.name);
  }
  EXPECT_THAT(leftovers_.FindOwners(request)->guests(), ElementsAre(0, 1));
  block_.AddWatcher(node_.RootDisk(), "10.0.0.2:0/8");
  EXPECT_THAT(List(), ElementsAre(node_.RootDisk().ToString())) << "two clients, one guest";
}

}  // namespace
}  // namespace hvagent::leftovers
