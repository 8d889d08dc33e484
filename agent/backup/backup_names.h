// How backups are named in RBD and RADOS: images and snapshots as cinder-backup names them, so that
// a pool can be taken over and given back; the objects beside them are the agents' own.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_NAMES_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_NAMES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/block/block_store.h"
#include "hvagent/v1/backup.pb.h"

namespace hvagent::backup {

struct Pools {
  std::string volumes;
  std::string vms;
  std::string backups;
};

// volumes/volume-<id> or vms/<uuid>_disk. `field` is the disk's path in its request: "source".
// Errors: INVALID_ARGUMENT (its path).
absl::StatusOr<block::ImageName> ImageOf(const v1::BackupDisk& disk, const Pools& pools,
                                         absl::string_view field);

// "volume-<id>.backup.<backup id>": the image in which a full backup and what follows it are kept.
std::string BaseName(const block::ImageName& source, absl::string_view backup_id);
// "backup.<backup id>.snap.<unix time>"
std::string SnapshotNameOf(absl::string_view backup_id, absl::Time time);

// How much of an image one part of a manifest is about.
inline constexpr uint64_t kPartBytes = uint64_t{4} << 30;
// What one checksum is about, at most. A change of less than that costs a later deletion the
// reading of as much.
inline constexpr uint64_t kChecksumBytes = uint64_t{256} << 10;

// The number of parts of an image of `size`.
uint64_t PartCount(Bytes size);

// XXH3 with 64 bits.
uint64_t Checksum(absl::string_view data);
bool IsZeros(absl::string_view data);

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_NAMES_H_
