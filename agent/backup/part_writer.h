// Writes to a base, and notes in a part of a manifest what it wrote. Not thread-safe.
#ifndef HVAGENT_AGENT_BACKUP_PART_WRITER_H_
#define HVAGENT_AGENT_BACKUP_PART_WRITER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/block/image_io.h"
#include "hvagent/v1/backup.pb.h"

namespace hvagent::backup {

// How much data a part of a manifest tells of.
uint64_t DataBytes(const v1::BackupPart& part);

class PartWriter {
 public:
  // Both outlive this. `is_new_base`: what is not written there is zeros.
  PartWriter(block::ImageWriter& base, bool is_new_base, v1::BackupPart& part)
      : base_(base), is_new_base_(is_new_base), part_(part) {}

  // Long runs of zeros in it are noted as such, and take no space in the base.
  absl::Status Write(uint64_t offset_bytes, absl::string_view data);
  absl::Status WriteZeros(uint64_t offset_bytes, uint64_t length_bytes);

 private:
  block::ImageWriter& base_;
  const bool is_new_base_;
  v1::BackupPart& part_;
};

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_PART_WRITER_H_
