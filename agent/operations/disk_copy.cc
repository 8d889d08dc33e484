#include "agent/operations/disk_copy.h"

#include <algorithm>
#include <memory>

#include "absl/strings/string_view.h"
#include "agent/imports/file_bytes.h"
#include "agent/operations/disk_digest.h"
#include "base/status_macros.h"

namespace hvagent::operations {
namespace {

// Each step is told to all who watch.
constexpr uint64_t kProgressStep = 16 << 20;

// The next data, in whole blocks.
imports::DataRange NextBlocks(int fd, uint64_t offset, uint64_t file_size) {
  imports::DataRange data = imports::NextData(fd, offset, file_size);
  data.begin -= data.begin % DiskDigest::kBlockBytes;
  const uint64_t over = data.end % DiskDigest::kBlockBytes;
  if (over != 0) data.end = std::min(data.end - over + DiskDigest::kBlockBytes, file_size);
  return data;
}

}  // namespace

absl::Status CopyExtents(int fd, uint64_t file_size,
                         const std::vector<imports::FileExtent>& extents,
                         const imports::GoesOn& goes_on, RunningOperation& operation,
                         StagedImage& staged) {
  // One for all pieces, which stays in the processor's cache.
  const auto buffer = std::make_unique_for_overwrite<char[]>(kPieceBytes);
  imports::DataRange data;
  uint64_t told_to = 0;
  for (const imports::FileExtent& extent : extents) {
    const uint64_t end = extent.file_offset + extent.bytes;
    for (uint64_t at = extent.file_offset; at < end;) {
      RETURN_IF_ERROR(goes_on());
      if (at < data.begin || at >= data.end) data = NextBlocks(fd, at, file_size);
      at = std::max(at, data.begin);
      if (at >= end) break;
      const uint64_t disk_at = extent.disk_offset + (at - extent.file_offset);
      // None goes over the end of an object.
      const size_t length =
          std::min({kPieceBytes - disk_at % kPieceBytes, data.end - at, end - at});
      RETURN_IF_ERROR(imports::ReadFully(fd, at, length, buffer.get()));
      RETURN_IF_ERROR(staged.Write(disk_at, absl::string_view(buffer.get(), length)));
      at += length;
      if (disk_at - told_to >= kProgressStep) operation.SetProgress(told_to = disk_at);
    }
  }
  operation.SetProgress(staged.size().count());
  return absl::OkStatus();
}

}  // namespace hvagent::operations
