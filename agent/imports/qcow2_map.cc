#include "agent/imports/qcow2_map.h"

#include <endian.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/status_macros.h"

namespace hvagent::imports {
namespace {

constexpr uint64_t kEntryBytes = 8;
// The bits of an entry of either table: where its cluster is, "nobody else uses it", and in an L2
// table of version 3 "reads as zeros". No others are a plain file's.
constexpr uint64_t kOffset = 0x00fffffffffffe00;
constexpr uint64_t kCopied = uint64_t{1} << 63;
constexpr uint64_t kZeros = 1;

constexpr uint64_t kLeastClusterBytes = 4096;
// 24 MiB of map. A disk of 64 GiB in which no cluster lies next to another.
constexpr size_t kMaxExtents = 1 << 20;

class Mapper {
 public:
  Mapper(const Qcow2Header& header, uint64_t file_size, ReadAt read)
      : header_(header),
        file_size_(file_size),
        cluster_bytes_(header.cluster_size.count()),
        disk_bytes_(header.virtual_size.count()),
        read_(read) {}

  absl::StatusOr<std::optional<std::vector<FileExtent>>> Map() {
    if (header_.extended_l2 || cluster_bytes_ < kLeastClusterBytes) return std::nullopt;
    const uint64_t of_one_table = cluster_bytes_ / kEntryBytes * cluster_bytes_;
    const uint64_t tables = (disk_bytes_ + of_one_table - 1) / of_one_table;
    std::string l1;
    for (uint64_t i = 0; i < tables && plain_; ++i) {
      // The L1 table is read by the cluster, too: it may be long.
      const uint64_t in_piece = i * kEntryBytes % cluster_bytes_;
      if (in_piece == 0) {
        RETURN_IF_ERROR(ReadTable(header_.l1_table_offset + i * kEntryBytes,
                                  std::min((tables - i) * kEntryBytes, cluster_bytes_), l1));
      }
      if (plain_) RETURN_IF_ERROR(MapTable(EntryAt(l1, in_piece), i * of_one_table));
    }
    if (!plain_) return std::nullopt;
    return std::move(extents_);
  }

 private:
  static uint64_t EntryAt(const std::string& table, uint64_t at) {
    uint64_t entry = 0;
    std::memcpy(&entry, table.data() + at, sizeof(entry));
    return be64toh(entry);
  }

  bool IsInFile(uint64_t offset, uint64_t bytes) const {
    return offset <= file_size_ && bytes <= file_size_ - offset;
  }

  // Counts what the tables name. Two of them that name one place would make it more than there is.
  void Count(uint64_t bytes) {
    counted_bytes_ += bytes;
    if (counted_bytes_ > file_size_) plain_ = false;
  }

  absl::Status ReadTable(uint64_t offset, uint64_t bytes, std::string& table) {
    Count(bytes);
    if (!IsInFile(offset, bytes)) plain_ = false;
    if (!plain_) return absl::OkStatus();
    table.resize(bytes);
    return read_(offset, bytes, table.data());
  }

  // What one entry of the L1 table covers, from `disk_offset` on.
  absl::Status MapTable(uint64_t l1_entry, uint64_t disk_offset) {
    const uint64_t offset = l1_entry & kOffset;
    if ((l1_entry & ~(kOffset | kCopied)) != 0 || offset % cluster_bytes_ != 0) plain_ = false;
    if (!plain_ || offset == 0) return absl::OkStatus();
    RETURN_IF_ERROR(ReadTable(offset, cluster_bytes_, l2_));
    for (uint64_t at = 0; at < cluster_bytes_ && disk_offset < disk_bytes_ && plain_;
         at += kEntryBytes, disk_offset += cluster_bytes_) {
      MapCluster(EntryAt(l2_, at), disk_offset);
    }
    return absl::OkStatus();
  }

  void MapCluster(uint64_t l2_entry, uint64_t disk_offset) {
    const uint64_t known = kOffset | kCopied | (header_.version >= 3 ? kZeros : 0);
    const uint64_t offset = l2_entry & kOffset;
    const uint64_t bytes = std::min(cluster_bytes_, disk_bytes_ - disk_offset);
    if ((l2_entry & ~known) != 0 || offset % cluster_bytes_ != 0) plain_ = false;
    if (!plain_ || offset == 0 || (l2_entry & kZeros) != 0) return;
    Count(bytes);
    if (!IsInFile(offset, bytes)) plain_ = false;
    if (!plain_) return;
    if (!extents_.empty()) {
      FileExtent& last = extents_.back();
      if (last.disk_offset + last.bytes == disk_offset && last.file_offset + last.bytes == offset) {
        last.bytes += bytes;
        return;
      }
    }
    extents_.push_back({disk_offset, offset, bytes});
    if (extents_.size() > kMaxExtents) plain_ = false;
  }

  const Qcow2Header& header_;
  const uint64_t file_size_;
  const uint64_t cluster_bytes_;
  const uint64_t disk_bytes_;
  const ReadAt read_;
  bool plain_ = true;
  uint64_t counted_bytes_ = 0;
  std::string l2_;
  std::vector<FileExtent> extents_;
};

}  // namespace

absl::StatusOr<std::optional<std::vector<FileExtent>>> MapPlainQcow2(const Qcow2Header& header,
                                                                     uint64_t file_size,
                                                                     ReadAt read) {
  return Mapper(header, file_size, read).Map();
}

}  // namespace hvagent::imports
