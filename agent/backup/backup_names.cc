#include "agent/backup/backup_names.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "xxhash.h"

namespace hvagent::backup {
namespace {

absl::StatusOr<std::string> ParseId(absl::string_view field, absl::string_view text) {
  const absl::StatusOr<Uuid> id = Uuid::Parse(text);
  if (!id.ok()) return InvalidField(field, id.status().message());
  return id->ToString();
}

}  // namespace

absl::StatusOr<block::ImageName> ImageOf(const v1::BackupDisk& disk, const Pools& pools,
                                         absl::string_view field) {
  switch (disk.disk_case()) {
    case v1::BackupDisk::kVolumeId: {
      ASSIGN_OR_RETURN(const std::string id,
                       ParseId(absl::StrCat(field, ".volume_id"), disk.volume_id()));
      return block::ImageName{pools.volumes, "", absl::StrCat("volume-", id)};
    }
    case v1::BackupDisk::kVmUuid: {
      ASSIGN_OR_RETURN(const std::string id,
                       ParseId(absl::StrCat(field, ".vm_uuid"), disk.vm_uuid()));
      return block::ImageName{pools.vms, "", absl::StrCat(id, "_disk")};
    }
    case v1::BackupDisk::DISK_NOT_SET:
      break;
  }
  return InvalidField(field, "names no disk: set volume_id or vm_uuid");
}

std::string BaseName(const block::ImageName& source, absl::string_view backup_id) {
  return absl::StrCat(source.name, ".backup.", backup_id);
}

std::string SnapshotNameOf(absl::string_view backup_id, absl::Time time) {
  return absl::StrCat("backup.", backup_id, ".snap.", absl::ToUnixSeconds(time));
}

uint64_t PartCount(Bytes size) { return (size.count() + kPartBytes - 1) / kPartBytes; }

uint64_t Checksum(absl::string_view data) { return XXH3_64bits(data.data(), data.size()); }

bool IsZeros(absl::string_view data) {
  return data.empty() ||
         (data[0] == '\0' && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

}  // namespace hvagent::backup
