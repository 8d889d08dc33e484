// qcow2 files byte by byte, for tests that craft wrong ones.
#ifndef HVAGENT_TESTS_UNIT_IMPORTS_QCOW2_BYTES_H_
#define HVAGENT_TESTS_UNIT_IMPORTS_QCOW2_BYTES_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace hvagent::imports {

constexpr size_t kTestClusterBytes = 64 << 10;

// Big-endian, `bytes` of them.
inline void Poke(std::string& file, size_t at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    file[at + i] = static_cast<char>(value >> 8 * (bytes - 1 - i) & 0xff);
  }
}

// A whole version 3 file of a disk of `virtual_bytes`, at most 512 MiB, whose first cluster, if
// any, is `data`: a header, one refcount table and block, one L1 and one L2 table.
inline std::string Qcow2File(uint64_t virtual_bytes, absl::string_view data = "") {
  std::string file((data.empty() ? 5 : 6) * kTestClusterBytes, '\0');
  file.replace(0, 4, "QFI\xfb");
  Poke(file, 4, 3, 4);
  Poke(file, 20, 16, 4);
  Poke(file, 24, virtual_bytes, 8);
  Poke(file, 36, 1, 4);                      // l1_size
  Poke(file, 40, 3 * kTestClusterBytes, 8);  // l1_table_offset
  Poke(file, 48, kTestClusterBytes, 8);      // refcount_table_offset
  Poke(file, 56, 1, 4);                      // refcount_table_clusters
  Poke(file, 96, 4, 4);                      // refcount_order
  Poke(file, 100, 104, 4);                   // header_length
  constexpr uint64_t kCopied = uint64_t{1} << 63;
  Poke(file, kTestClusterBytes, 2 * kTestClusterBytes, 8);
  for (size_t i = 0; i < file.size() / kTestClusterBytes; ++i) {
    Poke(file, 2 * kTestClusterBytes + 2 * i, 1, 2);
  }
  Poke(file, 3 * kTestClusterBytes, kCopied | 4 * kTestClusterBytes, 8);
  if (!data.empty()) {
    Poke(file, 4 * kTestClusterBytes, kCopied | 5 * kTestClusterBytes, 8);
    file.replace(5 * kTestClusterBytes, data.size(), data.data(), data.size());
  }
  return file;
}

}  // namespace hvagent::imports

#endif  // HVAGENT_TESTS_UNIT_IMPORTS_QCOW2_BYTES_H_
