// Where a plain qcow2 file keeps its disk, from its L1 and L2 tables.
//
// Most files that people import are plain: each cluster is zeros or lies in the file as it is.
// Those need no decoder, only this map. Whatever else a file has (compressed clusters, extended L2
// entries) or has wrong is for the decoder to read or to refuse (qcow2_decoder.h).
//
// The tables are not trusted. Every offset is held against the file's size, and what the tables
// name in all may not be more than the file has: so neither time nor what is read out of the file
// can exceed it, however the tables point at each other. Pure and total but for `read`.
#ifndef HVAGENT_AGENT_IMPORTS_QCOW2_MAP_H_
#define HVAGENT_AGENT_IMPORTS_QCOW2_MAP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/imports/qcow2_header.h"

namespace hvagent::imports {

// A part of the disk that lies in the file as it is.
struct FileExtent {
  uint64_t disk_offset = 0;
  uint64_t file_offset = 0;
  uint64_t bytes = 0;
  friend bool operator==(const FileExtent&, const FileExtent&) = default;
};

// Fills `length` bytes from `offset` of the file, within its size.
using ReadAt = absl::FunctionRef<absl::Status(uint64_t offset, size_t length, char* bytes)>;

// `header` is what InspectQcow2 made of the file. The extents in the disk's order; what lies
// between them is zeros. Each begins at a multiple of 4 KiB of the disk, and ends at one or at its
// end. nullopt: the file is not plain, or is in more pieces than are worth keeping a map of.
// Errors: those of `read`.
absl::StatusOr<std::optional<std::vector<FileExtent>>> MapPlainQcow2(const Qcow2Header& header,
                                                                     uint64_t file_size,
                                                                     ReadAt read);

}  // namespace hvagent::imports

#endif  // HVAGENT_AGENT_IMPORTS_QCOW2_MAP_H_
