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

 private:
  block::SnapshotName GoldenSnapshot(const v1::VmSpec& spec) const;
  absl::Status CheckImage(const v1::VmSpec& spec);
  absl::Status CloneRootDisk(const state::VmRecord& vm);
  absl::Status AdoptRootDisk(const state::VmRecord& vm);
  // What is wrong with the image, in the spec's terms, once `failed` says that something is. On the
  // boot path nobody looks before: Ceph itself refuses, and the look costs a dozen round trips.
  absl::Status WhyUnfit(const v1::VmSpec& spec, const absl::Status& failed);
  // Whether it was made here for the VM, marked or just before a crash.
  bool IsOurRootDisk(const state::VmRecord& vm, const block::ImageInfo& disk) const;
  absl::Status Remove(const state::VmRecord& vm, const block::ImageName& disk, bool is_root);

  block::BlockStore& block_;
  const std::string images_pool_;
  const std::string vms_pool_;
  const std::string volumes_pool_;
};

}  // namespace hvagent::reconcile

#endif  // HVAGENT_AGENT_RECONCILE_VM_DISKS_H_
