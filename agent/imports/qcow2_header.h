// Looks at the head of a qcow2 file, before any program that would act on what it says.
//
// A qcow2 file can name other files of the node that reads it (a backing file, an external data
// file), and can claim sizes that no reader survives. This refuses all that from the first bytes
// alone; what it lets through is then decoded in a sandbox (qcow2_decoder.h). Pure and total: any
// bytes are an error or a header.
#ifndef HVAGENT_AGENT_IMPORTS_QCOW2_HEADER_H_
#define HVAGENT_AGENT_IMPORTS_QCOW2_HEADER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hvagent::imports {

// How much of a file InspectQcow2 wants to see: one cluster of the largest size, in which QEMU
// keeps the header and its extensions.
inline constexpr size_t kQcow2HeadBytes = 2 << 20;

struct Qcow2Header {
  uint32_t version = 0;
  // Of the disk in it: what a guest sees.
  Bytes virtual_size;
  Bytes cluster_size;
  // In the file, and long enough for the disk.
  uint64_t l1_table_offset = 0;
  bool extended_l2 = false;
};

// `head` are the file's first bytes: kQcow2HeadBytes of them, or all. `max_virtual_size` is the
// largest disk that is taken.
// Errors: INVALID_ARGUMENT with the reason
//   NOT_QCOW2       another format, named where it is known, QCOW version 1 included
//   QCOW2_REFUSED   a backing file, an external data file, encryption, internal snapshots, the
//                   marks "dirty" or "corrupt", a feature that is not known here, or a size or
//                   table that makes no sense
absl::StatusOr<Qcow2Header> InspectQcow2(absl::string_view head, uint64_t file_size,
                                         Bytes max_virtual_size);

}  // namespace hvagent::imports

#endif  // HVAGENT_AGENT_IMPORTS_QCOW2_HEADER_H_
