#include "agent/backup/part_writer.h"

#include <algorithm>

#include "agent/backup/backup_names.h"
#include "base/status_macros.h"

namespace hvagent::backup {
namespace {

// Runs of zeros that are as long are not written.
constexpr size_t kHoleBytes = size_t{64} << 10;

// `data` at `offset_bytes`, one extent for each checksum.
void AddChecksums(uint64_t offset_bytes, absl::string_view data, v1::BackupPart& part) {
  while (!data.empty()) {
    const uint64_t length =
        std::min<uint64_t>(data.size(), kChecksumBytes - offset_bytes % kChecksumBytes);
    v1::BackupPart::Extent& extent = *part.add_extents();
    extent.set_offset_bytes(offset_bytes);
    extent.set_length_bytes(length);
    extent.set_checksum(Checksum(data.substr(0, length)));
    offset_bytes += length;
    data.remove_prefix(length);
  }
}

}  // namespace

uint64_t DataBytes(const v1::BackupPart& part) {
  uint64_t bytes = 0;
  for (const v1::BackupPart::Extent& extent : part.extents()) {
    if (extent.has_checksum()) bytes += extent.length_bytes();
  }
  return bytes;
}

absl::Status PartWriter::Write(uint64_t offset_bytes, absl::string_view data) {
  for (size_t at = 0; at < data.size();) {
    const bool zeros = IsZeros(data.substr(at, kHoleBytes));
    size_t end = at;
    while (end < data.size() && IsZeros(data.substr(end, kHoleBytes)) == zeros) end += kHoleBytes;
    end = std::min(end, data.size());
    if (zeros) {
      RETURN_IF_ERROR(WriteZeros(offset_bytes + at, end - at));
    } else {
      AddChecksums(offset_bytes + at, data.substr(at, end - at), part_);
      RETURN_IF_ERROR(base_.Write(offset_bytes + at, data.substr(at, end - at)));
    }
    at = end;
  }
  return absl::OkStatus();
}

absl::Status PartWriter::WriteZeros(uint64_t offset_bytes, uint64_t length_bytes) {
  if (is_new_base_) return absl::OkStatus();
  v1::BackupPart::Extent& zeros = *part_.add_extents();
  zeros.set_offset_bytes(offset_bytes);
  zeros.set_length_bytes(length_bytes);
  return base_.WriteZeros(offset_bytes, length_bytes);
}

}  // namespace hvagent::backup
