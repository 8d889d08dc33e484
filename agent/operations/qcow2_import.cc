#include "agent/operations/qcow2_import.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <string>
#include <utility>

#include "agent/imports/file_bytes.h"
#include "agent/imports/qcow2_decoder.h"
#include "agent/imports/qcow2_header.h"
#include "agent/imports/qcow2_map.h"
#include "agent/operations/disk_copy.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::operations {
namespace {

// Each step is told to all who watch.
constexpr uint64_t kProgressStep = 16 << 20;

absl::StatusOr<std::string> ReadHead(int fd) {
  std::string head(imports::kQcow2HeadBytes, '\0');
  size_t filled = 0;
  while (filled < head.size()) {
    const ssize_t count =
        pread(fd, head.data() + filled, head.size() - filled, static_cast<off_t>(filled));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return Error(absl::StatusCode::kFailedPrecondition, "FILE_UNREADABLE",
                   absl::ErrnoToStatus(errno, "cannot read the file").message());
    }
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  head.resize(filled);
  return head;
}

// By the decoder, which knows every kind of cluster.
absl::Status Decode(int fd, const imports::Qcow2Header& header, const ImportOptions& options,
                    const imports::GoesOn& goes_on, RunningOperation& operation,
                    StagedImage& staged) {
  // The decoder and Ceph each take a while to be ready, and neither needs the other for it.
  std::future<absl::Status> created =
      std::async(std::launch::async, [&] { return staged.Create(header.virtual_size); });
  absl::StatusOr<imports::Qcow2Decoder> started =
      imports::Qcow2Decoder::Start(fd, options.decoder, goes_on);
  RETURN_IF_ERROR(created.get());
  ASSIGN_OR_RETURN(imports::Qcow2Decoder decoder, std::move(started));
  if (decoder.size() != header.virtual_size) {
    return Error(absl::StatusCode::kInvalidArgument, "QCOW2_REFUSED",
                 "the qcow2 file is refused: its disk has another size than its header says");
  }
  uint64_t seen_to = 0;
  uint64_t told_to = 0;
  RETURN_IF_ERROR(decoder.ReadData([&](uint64_t offset, const std::string& data) {
    absl::Status status = goes_on();
    seen_to = std::max<uint64_t>(seen_to, offset + data.size());
    if (status.ok()) status = staged.Write(offset, data);
    if (seen_to - told_to >= kProgressStep) operation.SetProgress(told_to = seen_to);
    return status;
  }));
  operation.SetProgress(decoder.size().count());
  return absl::OkStatus();
}

}  // namespace

absl::Status CopyQcow2(int fd, uint64_t file_size, const ImportOptions& options,
                       const imports::GoesOn& goes_on, RunningOperation& operation,
                       StagedImage& staged) {
  ASSIGN_OR_RETURN(const std::string head, ReadHead(fd));
  ASSIGN_OR_RETURN(const imports::Qcow2Header header,
                   imports::InspectQcow2(head, file_size, options.max_image_size));
  operation.SetTotal(header.virtual_size.count());
  const auto read = [&](uint64_t offset, size_t length, char* bytes) {
    const absl::Status status = goes_on();
    return status.ok() ? imports::ReadFully(fd, offset, length, bytes) : status;
  };
  ASSIGN_OR_RETURN(const auto extents, imports::MapPlainQcow2(header, file_size, read));
  if (!extents.has_value()) return Decode(fd, header, options, goes_on, operation, staged);
  RETURN_IF_ERROR(staged.Create(header.virtual_size));
  return CopyExtents(fd, file_size, *extents, goes_on, operation, staged);
}

}  // namespace hvagent::operations
