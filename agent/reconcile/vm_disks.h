// The disks that belong to a VM and go with it: its root disk `<uuid>_disk`, a clone of an image or
// one that was adopted, and its config drive `<uuid>_disk.config`. A root disk that is a volume, or
// that exists and is not adopted, is looked for and otherwise left alone.
//
// Every call looks before it acts, since after a crash nothing is replayed: it finishes what a
// crash cut off, and leaves alone what was not made for the VM. Thread-safe; blocks on Ceph.
#ifndef HVAGENT_AGENT_RECONCILE_VM_DISKS_H_
#define HVAGENT_AGENT_RECONCILE_VM_DISKS_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/block/block_store.h"
#include "agent/state/state_store.h"
#include "base/uuid.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::reconcile {

// The key under which a disk says whose it is: its value is "UUID NODE", the VM's and that of the
// node that made it, so that who finds it knows whom to ask. One key, since each costs a boot eight
// RADOS operations. A disk without it was not made here, or its maker crashed before it could say
// so.
inline constexpr char kOwnerKey[] = "hvagent.vm";

struct DiskMark {
  std::string vm;    // its UUID
  std::string node;  // empty where an older agent made it
};
// nullopt where the disk bears no mark.
std::optional<DiskMark> MarkOf(const block::ImageInfo& disk);

// Takes the place of kOwnerKey, with such a value, on a disk that was kept when its VM was deleted:
// nobody's from then on, until a VM adopts it.
inline constexpr char kKeptKey[] = "hvagent.kept";
// The VM that the disk was of; nullopt where it was not kept.
std::optional<DiskMark> KeptMarkOf(const block::ImageInfo& disk);

// What both marks say of a disk of the VM's.
std::string MarkText(const state::VmRecord& vm);

// Errors of every call: those of the block store.
class VmDisks {
 public:
  // `block` outlives this object.
  VmDisks(block::BlockStore& block, std::string images_pool, std::string vms_pool,
          std::string volumes_pool)
      : block_(block),
        images_pool_(std::move(images_pool)),
        vms_pool_(std::move(vms_pool)),
        volumes_pool_(std::move(volumes_pool)) {}

  block::ImageName RootDisk(const Uuid& vm) const;
  block::ImageName ConfigDrive(const Uuid& vm) const;

  // Whether the VM's root disk is there, made or adopted for it here.
  absl::StatusOr<bool> HasRootDisk(const state::VmRecord& vm);

  // What PrepareRootDisk wants of the image, volume or disk, checked without an effect.
  absl::Status CheckRootDiskSource(const v1::VmSpec& spec);

  // Clones the image's golden snapshot, grows the clone and marks it; or grows and marks a disk to
  // adopt; or finds the volume or the disk to keep.
  // Errors: NOT_FOUND (IMAGE_NOT_FOUND, SNAPSHOT_NOT_FOUND), FAILED_PRECONDITION
  // (SNAPSHOT_NOT_PROTECTED), INVALID_ARGUMENT (root_disk.size_gib under the image's size),
  // ALREADY_EXISTS (ROOT_DISK_NOT_OURS); nothing is left behind by any of them.
  absl::Status PrepareRootDisk(const state::VmRecord& vm);

  // Writes the VM's cloud_init, and marks the drive once it is whole.
  // Errors: ALREADY_EXISTS (CONFIG_DRIVE_NOT_OURS), MakeNoCloudDisk's.
  absl::Status PrepareConfigDrive(const state::VmRecord& vm);

  // A disk that is gone, or somebody else's, is no error.
  // Errors: UNAVAILABLE (IMAGE_IN_USE: a guest that was stopped just now leaves a watch for 30 s).
  absl::Status RemoveRootDisk(const state::VmRecord& vm);
  absl::Status RemoveConfigDrive(const state::VmRecord& vm);

  // Puts a disk that is the VM's into the trash, for at least `delay`. As RemoveRootDisk otherwise.
  absl::Status TrashRootDisk(const state::VmRecord& vm, absl::Duration delay);
  absl::Status TrashConfigDrive(const state::VmRecord& vm, absl::Duration delay);
  // Leaves a disk that is the VM's where it is, and says on it that it was kept. One that is gone,
  // or somebody else's, is no error.
  absl::Status KeepRootDisk(const state::VmRecord& vm);
  absl::Status KeepConfigDrive(const state::VmRecord& vm);

  // Gives a disk that was put into the trash when the VM was deleted its name back; of several, the
  // one that was put there last. One that has it again already is left. It costs a look through the
  // trash.
  // Errors: ALREADY_EXISTS (DISK_NAME_TAKEN: another disk has the name), FAILED_PRECONDITION
  // (DISK_NOT_IN_TRASH).
  absl::Status RestoreRootDisk(const state::VmRecord& vm);
  absl::Status RestoreConfigDrive(const state::VmRecord& vm);
  // What both would say of the disks that the VM has, without an effect.
  absl::Status CheckRestorable(const state::VmRecord& vm);

 private:
  // Whether the disk is there and was made or adopted for the VM; else why that cannot be told.
  absl::StatusOr<bool> IsThereAndOurs(const state::VmRecord& vm, const block::ImageName& disk);
  absl::Status Trash(const state::VmRecord& vm, const block::ImageName& disk, absl::Duration delay);
  absl::Status Keep(const state::VmRecord& vm, const block::ImageName& disk);
  // Whether the disk has its name again. Errors: ALREADY_EXISTS (DISK_NAME_TAKEN).
  absl::StatusOr<bool> HasItsName(const state::VmRecord& vm, const block::ImageName& disk);
  absl::Status CheckRestorable(const state::VmRecord& vm, const block::ImageName& disk);
  // The id in the trash of what Restore would restore; empty: there is none.
  absl::StatusOr<std::string> FindInTrash(const state::VmRecord& vm, const block::ImageName& disk);
  absl::Status Restore(const state::VmRecord& vm, const block::ImageName& disk);

  block::SnapshotName GoldenSnapshot(const v1::VmSpec& spec) const;
  absl::Status CheckImage(const v1::VmSpec& spec);
  absl::Status CloneRootDisk(const state::VmRecord& vm);
  absl::Status AdoptRootDisk(const state::VmRecord& vm);
  // What is wrong with the image, in the spec's terms, once `failed` says that something is. On the
  // boot path nobody looks before: Ceph itself refuses, and the look costs a dozen round trips.
  absl::Status WhyUnfit(const v1::VmSpec& spec, const absl::Status& failed);
  // Whether it was made here for the VM, marked or just before a crash.
  bool IsOurRootDisk(const state::VmRecord& vm, const block::ImageInfo& disk) const;
  absl::Status Remove(const state::VmRecord& vm, const block::ImageName& disk);

  block::BlockStore& block_;
  const std::string images_pool_;
  const std::string vms_pool_;
  const std::string volumes_pool_;
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_VM_DISKS_H_
